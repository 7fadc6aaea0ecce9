"""The job of `genrec bench sequences` as this project does it: what its assets do, without Dagster around it.

`python -m benchmarks.sequences_genrec '{"lake": FOLDER, "source": {...}, "landing": FOLDER, ...}'` prints seconds and
peak memory as one line of JSON.
"""

import json
import os
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from orchestration.environment import FIXED


@dataclass(frozen=True)
class Job:
    """A run from raw events to sequences.

    Attributes:
        lake: Folder of the lake.
        source: The profile's `source:` section.
        landing: Folder of the demo world's landing files.
        first_day: First day of the profile, ISO.
        days: First and last day of the run, ISO.
        work: events: landing, validated events, sequences; items: the catalogue that these need.
        rows_in_memory: As in the profile.
    """

    lake: str
    source: dict[str, Any]
    landing: str
    first_day: str
    days: tuple[str, str]
    work: Literal["events", "items"] = "events"
    rows_in_memory: int = 4_000_000

    @property
    def argument(self) -> str:
        return json.dumps(asdict(self))

    @property
    def span(self) -> Sequence[date]:
        first, last = map(date.fromisoformat, self.days)
        return [first + timedelta(n) for n in range((last - first).days + 1)]


def demo_job(root: Path, events: int, days: int, first: date) -> Job:
    """The demo world of about `events` rows over its first 14 days, of which `days` are run."""
    last = first + timedelta(days - 1)
    return Job(
        lake=str(root / "lake"),
        source={"kind": "demo_world", "events": events},
        landing=str(root / "landing"),
        first_day=first.isoformat(),
        days=(first.isoformat(), last.isoformat()),
    )


def run(job: Job) -> float:
    """Does the job; returns its seconds, without what is imported once a process."""
    from assets.engine import LocalEngine
    from assets.events.publish import EventsRun
    from assets.sequences.build import bring_up_to_date
    from assets.sources.ledger import LEDGERS, ledger_frame
    from assets.sources.settings import open_source
    from assets.validation.data_docs import DATA_DOCS, DataDocs
    from assets.validation.gx_verdicts import import_great_expectations
    from assets.validation.settings import QualitySettings
    from storage.lake import Lake
    from storage.staged_files import Staging

    import_great_expectations()
    lake, rules, days = Lake(job.lake), QualitySettings(), job.span
    source = open_source(job.source, job.landing, date.fromisoformat(job.first_day))
    engine = LocalEngine(os.cpu_count() or 1)
    started = perf_counter()
    lake.replace_days(LEDGERS["events"], ledger_frame(source.land("events", days)), days)
    list(
        EventsRun(lake, source, rules, "int64", job.rows_in_memory, DataDocs(lake.folder(DATA_DOCS))).publish(
            days, engine, lambda _: None, lambda *_: None
        )
    )
    with Staging(lake) as staging:
        bring_up_to_date(
            lake, staging, engine, rules.actions, "int64", rules.request_gap, rows_in_memory=job.rows_in_memory
        )
    return perf_counter() - started


def write_items(job: Job) -> float:
    """Writes the catalogue of the job's days to the lake; returns the seconds."""
    from assets.items.clean import clean_items
    from assets.sources.settings import open_source
    from assets.validation.settings import QualitySettings
    from storage.lake import Lake
    from storage.schema import ITEMS_TABLE

    started, days = perf_counter(), job.span
    source = open_source(job.source, job.landing, date.fromisoformat(job.first_day))
    raw = source.read("items", source.land("items", days), days)
    Lake(job.lake).replace_days(ITEMS_TABLE, clean_items(raw, QualitySettings(), "int64", days).accepted, days)
    return perf_counter() - started


def main() -> None:
    given = json.loads(sys.argv[1])
    job = Job(**{**given, "days": tuple(given["days"])})
    # As `genrec` sets it before Polars is loaded.
    os.environ |= FIXED
    seconds = run(job) if job.work == "events" else write_items(job)
    print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


if __name__ == "__main__":
    main()
