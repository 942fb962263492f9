"""What a unit prefers beside its limits: how careful plans are, which lines act on each other, which want one total.

Parts of `budget` in a unit.yml:

    risk: {measure: cvar, level: 0.1}
    interactions:
      - {from: ["google_ads / Generic*"], to: ["google_ads / Brand*"], share: 0.1}
    product_lines:
      lines: {shoes: ["* / Shoes*"], bags: ["* / Bags*"]}
      weights: {shoes: 2, bags: 1}
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Patterns = Annotated[tuple[str, ...], Field(min_length=1)]
"Ids or names of budget lines, `*` for any text."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class RiskChoice(_Part):
    """What outcomes that differ between posterior draws are worth."""

    measure: Literal["mean", "var", "cvar"] = "mean"
    level: Annotated[float, Field(gt=0, le=1)] = 0.1
    "The share of worst draws that `var` lets miss and `cvar` is the mean of."


class Interaction(_Part):
    """Spend on some lines that works for others too (a share above 0: halo) or against them (below 0)."""

    givers: Annotated[Patterns, Field(alias="from")]
    receivers: Annotated[Patterns, Field(alias="to")]
    share: Annotated[float, Field(ge=-1, le=1)]
    "Of each giver's spend beyond its usual spend, over all receivers by their usual spend."


class ProductLines(_Part):
    """Lines whose outcomes compete for the total, and the point of their front that the night takes."""

    lines: Annotated[dict[str, Patterns], Field(min_length=2)]
    weights: dict[str, Annotated[float, Field(ge=0)]] | None = None
    "What a unit of each product line's outcome counts; none: the knee of the front."

    @model_validator(mode="after")
    def _consistent(self) -> "ProductLines":
        if self.weights is not None and (set(self.weights) != set(self.lines) or not any(self.weights.values())):
            raise ValueError(f"weights: one each of {', '.join(sorted(self.lines))}, not all 0")
        return self
