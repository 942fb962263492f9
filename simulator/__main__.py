"""Write a simulated advertiser's deliveries up to a night: `python -m simulator --through 2026-06-30`."""

import argparse
from dataclasses import fields
from datetime import date
from pathlib import Path

from simulator.deliveries import deliver
from simulator.world import World

MEANING = {
    "seed": "another seed, another advertiser",
    "first_day": "first business date",
    "events_per_day": "average web events a day",
    "google_campaigns": "campaigns on Google Ads",
    "meta_campaigns": "campaigns on Meta",
    "daily_budget": "average spend a day of all campaigns together, USD",
    "restatement_days": "business dates that each report covers",
}


def main() -> None:
    """Read the command line and deliver."""
    shows_defaults = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m simulator", description=__doc__, formatter_class=shows_defaults
    )
    parser.add_argument("--through", type=date.fromisoformat, required=True, help="last night (YYYY-MM-DD)")
    parser.add_argument("--deliveries", type=Path, default=Path("deliveries"), help="folder of the nights")
    parser.add_argument("--truth", type=Path, default=Path("truth"), help="folder of the truth (tests only)")
    for field in fields(World):
        kind = date.fromisoformat if field.type is date else field.type
        parser.add_argument(
            f"--{field.name.replace('_', '-')}", type=kind, default=field.default, help=MEANING[field.name]
        )
    chosen = vars(parser.parse_args())
    through, deliveries, truth = (chosen.pop(name) for name in ("through", "deliveries", "truth"))
    deliver(World(**chosen), through, deliveries, truth, print)


if __name__ == "__main__":
    main()
