"""Reading delivered texts as their types: exact where it can be, null where it cannot be read.

Here delivered numbers are rounded to the contract's scale (half away from zero), where they have more
digits than DECIMAL(18,6) keeps; the other place is the conversion of currencies in `sources/core.py`.
"""

_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_SHAPES = {
    "BIGINT": r"[+-]?\d+(\.0*)?",  # a plain cast would round 3.7 to 4
    "INTEGER": r"[+-]?\d+(\.0*)?",
    "DOUBLE": _NUMBER,  # no NaN, no infinity
    "DATE": r"\d{4}-.*",  # no 'infinity', no 'epoch'
    "TIMESTAMP": r"\d{4}-.*",
    "TIMESTAMPTZ": r"\d{4}-.*",
}


def typed(text: str, type_: str) -> str:
    """SQL that reads a text as a type."""
    if type_ == "VARCHAR":
        return text
    shape = _NUMBER if type_.startswith("DECIMAL") else _SHAPES.get(type_)
    value = f"try_cast({text} as {type_})"
    return f"case when regexp_full_match({text}, '{shape}') then {value} end" if shape else value
