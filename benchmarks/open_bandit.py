"""Open Bandit as off-policy estimates need it: what each policy showed in each campaign, as arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from assets.sources.open_bandit import CLICK, OFFERED, OpenBanditSettings, open_bandit
from models.columns import ACTION, ITEM_ID, REQUEST_ID, SURFACE, USER_ID

DAYS = [date(2019, 11, 24) + timedelta(days=number) for number in range(7)]
POSITION, PROPENSITY = "position", "propensity_score"
SMALL_VERSION = {"log": "impressions.parquet", "items": "items.parquet"}
"""All logs and all catalogues in one Parquet file each, instead of a folder for each policy and campaign."""


@dataclass(frozen=True)
class Log:
    """N impressions that one policy chose for P positions among A items.

    Attributes:
        users: (N,) int64, equal for equal features.
        positions: (N,) int64 0..P - 1.
        items: (N,) int64 0..A - 1.
        propensities: (N,) float64, NaN where there is none.
        clicked: (N,) bool.
        shape: P and A, those of all logs of the campaign.
    """

    users: np.ndarray
    positions: np.ndarray
    items: np.ndarray
    propensities: np.ndarray
    clicked: np.ndarray
    shape: tuple[int, int]

    def distribution(self) -> np.ndarray:
        """(P, A) the policy's probability of each item at each position.

        The propensity itself where it is one and the same for all rows of an item and position; else how often the item
        was shown there, which is the mean over the log of a policy that goes on learning.
        """
        cells, size = self.positions * self.shape[1] + self.items, self.shape[0] * self.shape[1]
        counts = np.bincount(cells, minlength=size).reshape(self.shape)
        shares: np.ndarray = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        first = np.zeros(size)
        first[cells] = self.propensities
        steady: np.ndarray = first.reshape(self.shape)
        if (first[cells] == self.propensities).all() and np.allclose(steady.sum(axis=1), 1, atol=1e-3):
            shares = steady / steady.sum(axis=1, keepdims=True)
        return shares


def read(folder: Path | None) -> dict[str, dict[str, Log]]:
    """Campaign to policy to what it showed, of the dataset in `folder`, as published or in its small version.

    Raises:
        FileNotFoundError: the folder is not known.
        SourceError: it holds no logs, or a file is damaged.
    """
    if folder is None:
        raise FileNotFoundError("the folder of Open Bandit is not known: give --data")
    names = SMALL_VERSION if (folder / SMALL_VERSION["log"]).is_file() else {}
    settings = OpenBanditSettings.model_validate({"kind": "open_bandit", "path": str(folder), **names})
    source = open_bandit(settings, DAYS[0], OFFERED)
    events = pl.concat(
        frame.collect(engine="streaming") for frame in source.read("events", source.land("events", DAYS), DAYS)
    )
    impressions = events.group_by(REQUEST_ID, maintain_order=True).agg(
        pl.col(USER_ID, ITEM_ID, SURFACE, POSITION).first(),
        pl.col(PROPENSITY).first().cast(pl.Float64, strict=False),
        (pl.col(ACTION) == CLICK).any().alias(CLICK),
    )
    place = pl.col(SURFACE).str.split("/")
    impressions = impressions.with_columns(place.list.get(0).alias("policy"), place.list.get(1).alias("campaign"))
    return {str(campaign): _logs(rows) for (campaign,), rows in sorted(impressions.group_by("campaign"))}


def _logs(rows: pl.DataFrame) -> dict[str, Log]:
    numbers = {name: rows[name].cast(pl.String).rank("dense").to_numpy() - 1 for name in (USER_ID, POSITION, ITEM_ID)}
    shape = int(numbers[POSITION].max()) + 1, int(numbers[ITEM_ID].max()) + 1
    coded: Mapping[str, np.ndarray] = {name: codes.astype(np.int64) for name, codes in numbers.items()}
    logs = {}
    for policy in rows["policy"].unique().sort():
        mine = (rows["policy"] == policy).to_numpy()
        logs[str(policy)] = Log(
            coded[USER_ID][mine],
            coded[POSITION][mine],
            coded[ITEM_ID][mine],
            rows[PROPENSITY].to_numpy()[mine],
            rows[CLICK].to_numpy()[mine],
            shape,
        )
    return logs


def write_imitation(folder: Path, rows: int = 3000, items: int = 8, seed: int = 0) -> Path:
    """A small folder in the published format, in which clicks are frequent and one policy likes what is clicked."""
    generator = np.random.default_rng(seed)
    rates = np.linspace(0.05, 0.4, items)
    policies = {"random": np.full(items, 1 / items), "bts": rates / rates.sum()}
    for policy, odds in policies.items():
        shown = generator.choice(items, rows, p=odds)
        moments = pl.datetime_range(pl.datetime(2019, 11, 24), pl.datetime(2019, 11, 30), "1m", eager=True)
        log = pl.DataFrame(
            {
                "timestamp": moments.gather(generator.integers(0, len(moments), rows)).dt.to_string("%F %T+00:00"),
                "item_id": shown,
                "position": generator.integers(1, 4, rows),
                "click": (generator.random(rows) < rates[shown]).astype(np.int64),
                "propensity_score": odds[shown],
                "user_feature_0": generator.integers(0, 40, rows).astype(str),
                **{f"user_feature_{number}": "same" for number in range(1, 4)},
            }
        )
        place = folder / policy / "men"
        place.mkdir(parents=True, exist_ok=True)
        log.write_csv(place / "men.csv")
    return folder
