"""A training set of more interactions than fit into memory."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from deltalake import write_deltalake

from assets.splits.split import SplitRule, split
from assets.training.dataset import read_dataset, write_training_set
from storage.sequence_store import BucketSequences, open_sequences, write_bucket
from tests.limited_memory import run_within

CUTOFF = datetime(2026, 3, 10, tzinfo=UTC)
USERS, EACH, ITEMS = 60_000, 100, 1_000
POSITIVE = 2
MIB = 450
"""With all of the log at once the same takes more than twice as much."""


def write_log(root: Path) -> None:
    """One bucket, of which two interactions in three are positive."""
    rng, count = np.random.default_rng(0), USERS * EACH
    end = int(CUTOFF.timestamp() * 1000)
    times = np.sort(rng.integers(end - 30 * 86_400_000, end, (USERS, EACH)), axis=1).ravel()
    columns: dict[str, np.ndarray] = {
        "item_row": rng.integers(1, ITEMS + 1, count).astype(np.int32),
        "started": times,
        "timestamp": times,
        "actions": rng.integers(1, 4, count).astype(np.int32),
    }
    (root / "sequences").mkdir()
    users = pl.Series([f"u{user}" for user in range(USERS)])
    write_bucket(BucketSequences(users, np.arange(0, count + 1, EACH), columns), str(root / "sequences" / "b.arrow"))
    rows = pl.DataFrame(
        {"item_id": range(1, ITEMS + 1), "row": range(1, ITEMS + 1)}, schema_overrides={"row": pl.Int32}
    )
    ledger = {"bucket": [0], "file": ["b.arrow"], "actions": [["view", "click"]], "surface_names": [["all"]]}
    for name, frame in (("item_rows", rows), ("sequences", pl.DataFrame(ledger))):
        write_deltalake(str(root / "tables" / name), frame.to_arrow())


def write_set(root: str, rows_in_memory: int) -> None:
    rule = SplitRule(CUTOFF, timedelta(days=1), POSITIVE, leave_one_out_users=100)
    write_training_set(
        Path(root, "set"),
        split(open_sequences(root), rule, rows_in_memory=rows_in_memory),
        pl.DataFrame({"item_id": range(1, ITEMS + 1), "day": [CUTOFF.date()] * ITEMS}),
        None,
        half_life_days=7,
        cold_start=timedelta(hours=24),
        validation_users=100,
        seed=0,
    )


def test_the_log_need_not_fit_into_memory(tmp_path: Path) -> None:
    write_log(tmp_path)
    run_within(MIB, f"{__name__}:write_set", root=str(tmp_path), rows_in_memory=200_000)
    assert len(read_dataset(tmp_path / "set").histories) == USERS
