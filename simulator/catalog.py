"""The advertiser's campaigns, ad groups and ads with their platform ids, and the cells of reports."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from simulator.world import KINDS, REGIONS, Kind, Region, World, stream

GOOGLE_ACCOUNT, META_ACCOUNT = 4417263950, 2071556381142290
# share of impressions, conversion factor
DEVICES = {"DESKTOP": (0.38, 1.25), "MOBILE": (0.55, 0.82), "TABLET": (0.07, 0.95)}
AUDIENCES = {"Prospecting": (0.45, 0.75), "Retargeting": (0.25, 1.50), "Lookalike": (0.30, 0.95)}
AD_GROUPS = {"Core": (0.65, 1.10), "Broad": (0.35, 0.80)}
ADS_PER_GROUP = 2
CREATED = -60  # day on which everything was set up
# index among the platform's lines, day, new name
RENAMED = {"google_ads": (1, 4, "Non-Brand Search"), "meta_ads": (0, 17, "First Purchase")}
EDITED_EVERY = 11  # days between an operator's edits that change nothing that is exported


@dataclass(frozen=True)
class Line:
    """A campaign in a region: the unit that gets a budget."""

    campaign_id: int
    kind: Kind
    region: Region

    @property
    def name(self) -> str:
        """The campaign's name when the world begins."""
        return f"{self.kind.name} | {self.region.name}"

    @property
    def loyal(self) -> float:
        """Share of its buyers drawn from those who buy often."""
        return self.kind.loyal


Version = tuple[int, Line, str]  # day of the change, the line, its name since


@dataclass(frozen=True, eq=False)
class Cells:
    """What one report row counts: an ad, and on Google Ads a device. One array entry a cell."""

    line: np.ndarray  # index into `line_list`
    platform: np.ndarray
    campaign_id: np.ndarray
    group_id: np.ndarray  # ad group or ad set
    group_name: np.ndarray
    ad_id: np.ndarray
    ad_name: np.ndarray
    device: np.ndarray  # empty on Meta, which reports no device at this grain
    share: np.ndarray  # of the line's impressions
    click_factor: np.ndarray  # click rate, relative to the line's
    conversion_factor: np.ndarray


@lru_cache(maxsize=8)
def line_list(world: World) -> tuple[Line, ...]:
    """All lines: Google's first, each platform's kinds in every region before the next region."""
    return tuple(
        line
        for platform, count in (("google_ads", world.google_campaigns), ("meta_ads", world.meta_campaigns))
        for line in _platform_lines(platform, count)
    )


def _platform_lines(platform: str, count: int) -> list[Line]:
    kinds = [kind for kind in KINDS if kind.platform == platform]
    if count > len(kinds) * len(REGIONS):
        raise ValueError(f"{platform}: at most {len(kinds) * len(REGIONS)} campaigns, not {count}")
    base = 21_180_040_000 if platform == "google_ads" else 6_302_210_040_000
    return [
        Line(base + 37 * number, kinds[number % len(kinds)], REGIONS[number // len(kinds)])
        for number in range(count)
    ]


@lru_cache(maxsize=8)
def cells(world: World) -> Cells:
    """All cells, ordered by line."""
    rng = stream(world, "ads")
    rows: list[tuple[object, ...]] = []
    for index, line in enumerate(line_list(world)):
        google = line.kind.platform == "google_ads"
        groups = AD_GROUPS if google else AUDIENCES
        for group_number, (group, (group_share, group_factor)) in enumerate(groups.items()):
            group_id = line.campaign_id * 10 + group_number + 1
            parts = rng.dirichlet([4.0] * ADS_PER_GROUP)
            for ad_number, part in enumerate(parts):
                ad_id = group_id * 10 + ad_number + 1
                # creatives differ: what draws the click and what leads to the purchase are drawn apart
                click, convert = np.exp([0.20, 0.15] * rng.standard_normal(2))
                for device, (share, factor) in (DEVICES if google else {"": (1.0, 1.0)}).items():
                    rows.append(
                        (
                            index, line.kind.platform, line.campaign_id, group_id, group, ad_id,
                            f"{group} creative {ad_number + 1}", device,
                            group_share * part * share, click, convert * group_factor * factor,
                        )
                    )  # fmt: skip
    return Cells(*(np.array(column) for column in zip(*rows, strict=True)))


def cells_of(world: World, platform: str) -> np.ndarray:
    """Indexes of a platform's cells."""
    return np.flatnonzero(cells(world).platform == platform)


def ads_of(world: World, platform: str) -> np.ndarray:
    """Index of one cell of each of a platform's ads."""
    c = cells(world)
    _, first = np.unique(c.ad_id, return_index=True)
    return np.asarray(first[c.platform[first] == platform])


def campaign_versions(world: World, platform: str, night: int) -> list[Version]:
    """All versions of a platform's campaigns known by the end of a day, by campaign and then by day.

    Google's exports list them so and Meta's in reverse: whoever takes the first or the last row of an id is
    wrong on one of them. The one that counts was changed last.
    """
    lines = [line for line in line_list(world) if line.kind.platform == platform]
    which, renamed_on, name = RENAMED[platform]
    versions: list[Version] = []
    for index, line in enumerate(lines):
        new_name = f"{name} | {line.region.name}"
        days = {CREATED, *range(index % EDITED_EVERY, night + 1, EDITED_EVERY)}
        if index == which:
            days.add(renamed_on)
        for day in sorted(day for day in days if day <= night):
            versions.append((day, line, new_name if index == which and day >= renamed_on else line.name))
    return versions
