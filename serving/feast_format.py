"""Feast's formats that the online store holds: entity keys of version 3, and values as protobuf messages.

Feast describes them in `docs/specs/online_store_format.md` and `protos/feast/types/Value.proto`; the tests compare
with Feast's own code. Malformed bytes raise ValueError.
"""

import struct
from collections.abc import Iterable, Sequence

Value = float | str | None

STRING = 2
"Feast's number of the type of a key and of its value."


def entity_key(names: Sequence[str], texts: Iterable[str]) -> bytes:
    """The key of an entity with text keys, `names` in ascending order: their number, the names, the texts."""
    parts = [text.encode() for text in (*names, *texts)]
    return struct.pack("<I", len(names)) + b"".join(struct.pack("<II", STRING, len(p)) + p for p in parts)


def value(blob: bytes | None) -> Value:
    """A message `feast.types.Value` that holds text (field 2), an int64 (4), a double (5) or nothing."""
    if not blob:
        return None
    tag = blob[0]
    if tag == 0x29 and len(blob) == 9:
        return float(struct.unpack_from("<d", blob, 1)[0])
    if tag == 0x12:
        length, start = _varint(blob, 1)
        return blob[start:start + length].decode()
    if tag == 0x20:
        number, _ = _varint(blob, 1)
        return number - (1 << 64) if number >> 63 else number
    raise ValueError(f"field {tag >> 3} of a value is no text, int64 or double")


def seconds(blob: bytes) -> int:
    """Seconds (field 1) of a message `google.protobuf.Timestamp` after 1970."""
    if blob[0] != 0x08:
        raise ValueError("an instant without seconds")
    return _varint(blob, 1)[0]


def _varint(blob: bytes, start: int) -> tuple[int, int]:
    """A base 128 varint at `start`, and where it ends."""
    number = shift = 0
    for end in range(start, len(blob)):
        number |= (blob[end] & 0x7F) << shift
        if blob[end] < 0x80:
            return number, end + 1
        shift += 7
    raise ValueError("a number that is cut off")
