"""Bidding strategies on an auction log."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from moe.terminal import out


def replay(
    log: Annotated[Path, typer.Argument(help="Auction log: CSV, tab separated (.gz too), or Parquet.")],
    budgets: Annotated[str, typer.Option(help="Shares of what the judged part cost.")] = "1/64,1/32,1/16,1/8,1/4,1/2",
    strategies: Annotated[str, typer.Option(help="Of constant, mcpc, linear, ortb, ours; all if not said.")] = "",
    names: Annotated[list[str] | None, typer.Option(
        "--map", help="Our column=the log's, as market_price=payprice; more after commas, or --map again.")] = None,
    features: Annotated[str, typer.Option(help="Columns to learn a click rate from, where the log has none.")] = "",
    first_price: Annotated[bool, typer.Option("--first-price", help="The winner pays its bid.")] = False,
    conversions: Annotated[bool, typer.Option("--conversions", help="Bid for conversions, not clicks.")] = False,
    price_per: Annotated[int, typer.Option(help="Impressions that a price is for: 1000 or 1.")] = 1000,
    train_share: Annotated[float, typer.Option(help="Share of the log's time that trains; the rest is judged.")] = 0.6,
    campaign: Annotated[str | None, typer.Option(help="Only the rows of this campaign.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Replay bidding strategies on an auction log, under budgets: what each would have bought."""
    from moe import replay as auctions

    found = auctions.replay(
        log, auctions.words(budgets), auctions.words(strategies), auctions.pairs(auctions.words(",".join(names or []))),
        first_price=first_price, conversions=conversions, price_per=price_per, train_share=train_share,
        campaign=campaign, features=auctions.words(features))
    table = Table(*auctions.SHOWN, title=f"{log.name}: {'first' if first_price else 'second'} price",
                  caption=auctions.caption(found))
    for row, after in zip(found, [*found[1:], None], strict=True):
        table.add_row(*[auctions.shown(name, row[name]) for name in auctions.SHOWN],
                      end_section=after is None or after["strategy"] != row["strategy"])
    out.print(table)
    if csv is not None:
        auctions.write(found, csv)
