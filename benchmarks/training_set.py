"""`genrec bench training-set`: the training set of a log that does not fit into memory, within an enforced limit.

The log is made up, as bucket files of the sequences. A control group (where none may be made: the limit of the data
segment) ends the process that writes the training set when it wants more than it is given.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import rmtree
from time import perf_counter

import numpy as np
import polars as pl
from deltalake import write_deltalake

from assets.splits.split import SplitRule, split
from assets.training.dataset import read_dataset, write_training_set
from benchmarks.figures import Figures, Report
from benchmarks.memory_limit import MIB, run_limited
from storage.sequence_store import (
    BUCKETS_FOLDER,
    ITEM_ROWS_TABLE,
    SEQUENCES_TABLE,
    BucketSequences,
    open_sequences,
    write_bucket,
)

CUTOFF = datetime(2026, 3, 10, tzinfo=UTC)
EACH, ITEMS = 100, 1_000
POSITIVE = 2
BUCKET_USERS = 50_000


def run(interactions: int, mib: int, rows_in_memory: int, out: Path, smoke: bool, report: Report) -> Figures:
    """Whether it fits, how long it takes, and how much larger than the limit the log is.

    Args:
        interactions: Of the synthetic log, of which two in three are positive.
        mib: What the process may use.
        rows_in_memory: As in the profile's section `lake`.
        out: Where the log and the training set are kept meanwhile.

    Raises:
        RuntimeError: it does not fit.
    """
    interactions, rows_in_memory = (200_000, 20_000) if smoke else (interactions, rows_in_memory)
    root = out / "training-set"
    rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    report(f"making up {interactions:,} interactions")
    users = max(1, interactions // EACH)
    write_log(root, users)
    log_mib = sum(path.stat().st_size for path in (root / BUCKETS_FOLDER).iterdir()) / MIB
    report(f"writing the training set of {log_mib:,.0f} MiB of sequences within {mib} MiB")
    job = json.dumps({"root": str(root), "rows_in_memory": rows_in_memory})
    said, kind = run_limited([sys.executable, "-m", __name__, job], mib)
    seconds = float(json.loads(said.splitlines()[-1])["seconds"])
    made = read_dataset(root / "set").histories
    report(f"{len(made.item_index):,} interactions of {len(made):,} users in {seconds:.1f} s, held by {kind}")
    figures: Figures = {
        "interactions": len(made.item_index),
        "limit_mib": mib,
        "log_to_limit_ratio": log_mib / mib,
        "interactions_per_s": len(made.item_index) / seconds,
    }
    rmtree(root)
    return figures


def write_log(root: Path, users: int) -> None:
    """Sequences of `users` with EACH interactions, of which two in three are positive."""
    (root / BUCKETS_FOLDER).mkdir()
    starts = range(0, users, BUCKET_USERS)
    for bucket, start in enumerate(starts):
        _write_bucket(root / BUCKETS_FOLDER / f"{bucket}.arrow", range(start, min(start + BUCKET_USERS, users)))
    rows = {"item_id": range(1, ITEMS + 1), "row": range(1, ITEMS + 1)}
    ledger = {
        "bucket": range(len(starts)),
        "file": [f"{bucket}.arrow" for bucket in range(len(starts))],
        "actions": [["view", "click"]] * len(starts),
        "surface_names": [["all"]] * len(starts),
    }
    for name, frame in (
        (ITEM_ROWS_TABLE, pl.DataFrame(rows, schema_overrides={"row": pl.Int32})),
        (SEQUENCES_TABLE, pl.DataFrame(ledger)),
    ):
        write_deltalake(str(root / "tables" / name), frame.to_arrow())


def _write_bucket(path: Path, users: range) -> None:
    rng, count = np.random.default_rng(users.start), len(users) * EACH
    end = int(CUTOFF.timestamp() * 1000)
    times = np.sort(rng.integers(end - 30 * 86_400_000, end, (len(users), EACH)), axis=1).ravel()
    columns: dict[str, np.ndarray] = {
        "item_row": rng.integers(1, ITEMS + 1, count).astype(np.int32),
        "started": times,
        "timestamp": times,
        "actions": rng.integers(1, 4, count).astype(np.int32),
    }
    ids = pl.Series([f"u{user}" for user in users])
    write_bucket(BucketSequences(ids, np.arange(0, count + 1, EACH), columns), str(path))


def write_set(root: str, rows_in_memory: int) -> None:
    """What the line does with the log below `root`."""
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


if __name__ == "__main__":
    began = perf_counter()
    write_set(**json.loads(sys.argv[1]))
    print(json.dumps({"seconds": perf_counter() - began}))
