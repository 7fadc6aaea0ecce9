"""The job of `genrec bench sequences` as this project does it: its own assets, run by Dagster.

`python -m benchmarks.sequences_genrec '{"lake": FOLDER, "source": {...}, "landing": FOLDER, ...}'` prints seconds and
peak memory as one line of JSON.
"""

import json
import os
import resource
import sys
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any


@dataclass(frozen=True)
class Job:
    """A run of the assets from raw events to sequences.

    Attributes:
        lake: Folder of the lake; the items are in it already where the job is not to make them.
        source: The profile's `source:` section.
        landing: Folder of the demo world's landing files.
        first_day: First day of the profile, ISO.
        days: First and last day of the run, ISO.
        end_day: Day after the last that the profile has, ISO.
        assets: Names of the assets to run.
        rows_in_memory: As in the profile.
    """

    lake: str
    source: dict[str, Any]
    landing: str
    first_day: str
    days: tuple[str, str]
    end_day: str
    assets: tuple[str, ...] = ("raw_events", "events", "sequences")
    rows_in_memory: int = 4_000_000

    @property
    def argument(self) -> str:
        return json.dumps(asdict(self))


def run(job: Job) -> float:
    """Materializes the job's assets on an instance of its own; returns the seconds of the run."""
    import dagster as dg

    # What is imported once a process is not part of the job.
    import great_expectations  # noqa: F401
    import matplotlib.figure  # noqa: F401

    import assets.events.assets
    import assets.items.assets
    import assets.sequences.assets
    import assets.sources.assets
    from assets.resources import LakeResource, QualityResource, SourceResource

    modules = (assets.sources.assets, assets.items.assets, assets.events.assets, assets.sequences.assets)
    known = [asset for asset in dg.load_assets_from_modules(modules) if isinstance(asset, dg.AssetsDefinition)]
    with TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral(tempdir=folder) as instance:
        started = perf_counter()
        done = dg.materialize(
            known,
            selection=list(job.assets),
            instance=instance,
            resources={
                "lake": LakeResource(root=job.lake, id_type="int64", rows_in_memory=job.rows_in_memory),
                "source": SourceResource(settings=job.source, landing=job.landing, first_day=job.first_day),
                "quality": QualityResource(),
            },
            tags={
                "dagster/asset_partition_range_start": job.days[0],
                "dagster/asset_partition_range_end": job.days[1],
            },
        )
        seconds = perf_counter() - started
    if not done.success:
        raise RuntimeError(f"the assets {', '.join(job.assets)} of {job.days} failed")
    return seconds


def main() -> None:
    given = json.loads(sys.argv[1])
    job = Job(**{**given, "days": tuple(given["days"]), "assets": tuple(given["assets"])})
    # Dagster wants the partitions when the assets are imported.
    os.environ["GENREC_FIRST_DAY"], os.environ["GENREC_LAST_DAY"] = job.first_day, job.end_day
    seconds = run(job)
    print(json.dumps({"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


def demo_job(root: Path, events: int, days: int, first: date) -> Job:
    """The demo world of about `events` rows over its first 14 days, of which `days` are run."""
    from datetime import timedelta

    last = first + timedelta(days - 1)
    return Job(
        lake=str(root / "lake"),
        source={"kind": "demo_world", "events": events},
        landing=str(root / "landing"),
        first_day=first.isoformat(),
        days=(first.isoformat(), last.isoformat()),
        end_day=(last + timedelta(1)).isoformat(),
    )


if __name__ == "__main__":
    main()
