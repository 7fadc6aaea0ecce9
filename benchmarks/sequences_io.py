"""What `genrec bench sequences` holds the job against: reading the raw bytes and writing the results, nothing else.

`python -m benchmarks.sequences_io '{"lake": FOLDER, "events": {DAY: [FILES]}, "out": FOLDER}'` prints seconds as JSON.
"""

import json
import sys
from pathlib import Path
from time import perf_counter

import polars as pl

from models.columns import DAY
from storage.lake import Lake
from storage.schema import EVENTS_TABLE
from storage.sequence_ledger import read_ledger
from storage.sequence_store import BUCKETS_FOLDER, FILE, BucketSequences, read_bucket, write_bucket
from storage.staged_files import Staging


def main() -> None:
    job = json.loads(sys.argv[1])
    lake = Lake(job["lake"])
    seconds = sum(_read(files) for files in job["events"].values())
    with Staging(Lake(job["out"])) as staging:
        seconds += sum(_write_day(lake, staging, day) for day in job["events"])
        seconds += sum(_write_bucket(lake, file, staging) for file in read_ledger(lake)[FILE])
    print(json.dumps({"seconds": seconds}))


def _read(files: list[str]) -> float:
    started = perf_counter()
    pl.read_parquet(files)
    return perf_counter() - started


def _write_day(lake: Lake, staging: Staging, day: str) -> float:
    rows = lake.scan(EVENTS_TABLE).filter(pl.col(DAY).cast(pl.String) == day).collect()
    started = perf_counter()
    staging.write(EVENTS_TABLE, rows, {DAY: day})
    return perf_counter() - started


def _write_bucket(lake: Lake, file: str, staging: Staging) -> float:
    bucket = read_bucket(str(Path(lake.root) / BUCKETS_FOLDER / file))
    # Reading maps the file; the bytes must be in memory before the clock runs.
    columns = {name: column.copy() for name, column in bucket.columns.items()}
    loaded = BucketSequences(bucket.user_ids, bucket.offsets.copy(), columns)
    path = staging.scratch / file
    started = perf_counter()
    write_bucket(loaded, str(path))
    return perf_counter() - started


if __name__ == "__main__":
    main()
