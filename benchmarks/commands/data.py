"""How fast, in how much memory and how safely logs become sequences."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import OutOption, SmokeOption, end, kept, report
from orchestration.error_messages import errors_as_sentences

app = typer.Typer()


@app.command()
def validation(
    rows: Annotated[int, typer.Option(min=1, help="How many events.")] = 10_000_000, smoke: SmokeOption = False
) -> None:
    """Every row and every day of synthetic events judged, against the time of reading them."""
    with errors_as_sentences(patience=None):
        from benchmarks import validation as bench

        end("validation", bench.run(rows, smoke=smoke, report=report))


@app.command()
def sequences(
    sizes: Annotated[str, typer.Option(help="Sizes in million events, of 1, 10 and 100.")] = "1,10,100",
    others: Annotated[bool, typer.Option(help="Measure pandas and DuckDB too; installs DuckDB apart.")] = True,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """Raw Parquet to validated events to sequences, against pandas with Great Expectations, and DuckDB SQL."""
    with errors_as_sentences(patience=None):
        from benchmarks import sequences as bench

        plans = bench.SMOKE if smoke else bench.plans_of(sizes)
        end("sequences", bench.run(plans, kept(out), others, smoke, report))


@app.command()
def nightly(
    events: Annotated[int, typer.Option(min=1, help="Million events of the whole history, about.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, help="How often both are measured.")] = 2,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """One more day on 60 days of history, against rebuilding all days: what it costs, and whether the bytes agree."""
    with errors_as_sentences(patience=None):
        from benchmarks import nightly as bench

        end("nightly", bench.run(events * 1_000_000, rounds, kept(out), smoke, report))


@app.command()
def sparse(
    partitions: Annotated[str, typer.Option(help="Numbers of days, ascending.")] = "100,1000,5000",
    before: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Another checkout of this project, set up, to measure too."),
    ] = None,
    endpoint: Annotated[
        bool, typer.Option("--endpoint", help="Minutes from a log's file to an answer instead, on the most days.")
    ] = False,
    smoke: SmokeOption = False,
) -> None:
    """What days cost beside their rows, from raw logs to events, in one run of many days with few rows each."""
    with errors_as_sentences(patience=None):
        from benchmarks import sparse as bench
        from benchmarks import sparse_line

        days = [int(number) for number in partitions.split(",")]
        end("sparse", sparse_line.run(days[-1], report) if endpoint else bench.run(days, before, smoke, report))


@app.command(name="training-set")
def training_set(
    interactions: Annotated[int, typer.Option(min=1, help="Million interactions of the synthetic log.")] = 100,
    mib: Annotated[int, typer.Option(min=1, help="Memory that the process is given, enforced.")] = 1000,
    rows_in_memory: Annotated[int, typer.Option(min=10_000, help="As in the profile's section `lake`.")] = 1_000_000,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """The training set of a log that does not fit into memory, within a limit that is enforced."""
    with errors_as_sentences(patience=None):
        from benchmarks import training_set as bench

        size = interactions * 1_000_000
        end("training-set", bench.run(size, mib, rows_in_memory, kept(out), smoke, report))


@app.command()
def faults(smoke: SmokeOption = False) -> None:
    """Runs killed, disks full, inputs cut off, two runs at once: what every table holds after a repeated run."""
    with errors_as_sentences(patience=None):
        from benchmarks import faults as bench

        end("faults", bench.run(smoke=smoke, report=report))
