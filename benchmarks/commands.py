"""The command `genrec bench`: measures what this project claims, and ends with one line of JSON."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks.figures import Figures, last_line
from orchestration import environment
from orchestration.error_messages import errors_as_sentences
from orchestration.terminal import new_console

app = typer.Typer(help="Measures what this project claims; docs/benchmarks.md says how.", no_args_is_help=True)
console = new_console()


class Size(StrEnum):
    base = "base"
    large = "large"


class Sizes(StrEnum):
    base = "base"
    large = "large"
    both = "both"

    @property
    def names(self) -> tuple[str, ...]:
        return ("base", "large") if self is Sizes.both else (self.value,)


class YambdaSize(StrEnum):
    m50 = "50m"
    m500 = "500m"
    b5 = "5b"


class YambdaTask(StrEnum):
    listen_plus = "listen_plus"
    like = "like"


SmokeOption = Annotated[bool, typer.Option("--smoke", help="A tiny size of everything: does it run?")]
DataOption = Annotated[
    Path | None, typer.Option("--data", envvar="GENREC_ML1M", help="The folder of an unpacked MovieLens-1M.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Where runs are kept, to go on after a break; default: below GENREC_HOME.")
]


@app.command()
def ml1m(
    size: Annotated[Size, typer.Option(help="Which of the published models.")] = Size.base,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs, other than the recipe's.")] = None,
    positions_per_draw: Annotated[
        int | None, typer.Option(min=1, help="Successive positions that share negatives, other than the recipe's.")
    ] = None,
    ties: Annotated[Literal["file", "reversed"], typer.Option(help="The order of ratings of one second.")] = "file",
    device: Annotated[str, typer.Option(help="Where to train, cpu or cuda.")] = "cpu",
    picture: Annotated[Path | None, typer.Option(help="A PNG file for the curves of all runs.")] = None,
    data: DataOption = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """Quality on MovieLens-1M by the published protocol: the last item of every user among all movies."""
    with errors_as_sentences(patience=None):
        from benchmarks import ml1m as bench

        recipe = size.value, seeds, epochs, positions_per_draw
        _end("ml1m", bench.run(*recipe, ties, device, data, _kept(out), picture, smoke, _report))


@app.command(name="ml1m-argus")
def ml1m_argus(
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds the losses are compared by.")] = 3,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs, other than the recipe's.")] = None,
    picture: Annotated[Path | None, typer.Option(help="A PNG file for normalised entropy by size.")] = None,
    data: DataOption = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """ARGUS on MovieLens-1M, ratings as feedback: normalised entropy by size, and what the ratings teach of films."""
    with errors_as_sentences(patience=None):
        from benchmarks import ml1m_argus as bench

        _end("ml1m-argus", bench.run(seeds, epochs, data, _kept(out), picture, smoke, _report))


@app.command()
def cold(
    seeds: Annotated[int, typer.Option(min=1, help="How often the variants of the claims are trained.")] = 3,
    data: DataOption = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """Items that training never saw: MovieLens-1M with a fifth of its movies cold, by what is known of the items."""
    with errors_as_sentences(patience=None):
        from benchmarks import cold as bench

        _end("cold", bench.run(seeds, data, _kept(out), smoke, _report))


@app.command()
def posters(
    seeds: Annotated[int, typer.Option(min=1, help="How often a tower is trained on each share.")] = 3,
    data: DataOption = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """What more posters would teach the line's image tower: MovieLens-1M, by shares of its films."""
    with errors_as_sentences(patience=None):
        from benchmarks import posters as bench

        _end("posters", bench.run(seeds, data, _kept(out), smoke, _report))


@app.command()
def training(
    size: Annotated[Sizes, typer.Option(help="Which of the published models.")] = Sizes.both,
    rounds: Annotated[int, typer.Option(min=1, help="How often the sides alternate.")] = 5,
    rectools: Annotated[bool, typer.Option(help="Measure RecTools too; installs it in an environment apart.")] = True,
    time_to_quality: Annotated[
        bool, typer.Option("--time-to-quality", help="Instead: minutes of training until the published quality.")
    ] = False,
    before: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="Another checkout of this project, set up, to measure too."),
    ] = None,
    data: DataOption = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """Training speed on MovieLens-1M, in turns with RecTools' HSTUModel on this CPU."""
    with errors_as_sentences(patience=None):
        if time_to_quality:
            from benchmarks import time_to_quality as quality

            _end("training", quality.run(size.names, data, smoke, _report))
        else:
            from benchmarks import training as bench

            _end("training", bench.run(size.names, rounds, rectools, before, data, _kept(out), smoke, _report))


@app.command()
def decoding(
    rounds: Annotated[int, typer.Option(min=1, help="How often the sides alternate.")] = 5,
    quality: Annotated[
        bool, typer.Option("--quality", help="Instead: what it costs in quality, on MovieLens-1M.")
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="With --quality: how many seeds.")] = 3,
    data: DataOption = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """Cost of decoding by the number of items: a full softmax against a share of the items and a projected head."""
    with errors_as_sentences(patience=None):
        if quality:
            from benchmarks import decoding_quality

            _end("decoding", decoding_quality.run(seeds, data, _kept(out), smoke, _report))
        else:
            from benchmarks import decoding as bench

            _end("decoding", bench.run(rounds, smoke, _report))


@app.command()
def argus(
    rounds: Annotated[int, typer.Option(min=1, help="How often the sides alternate.")] = 7, smoke: SmokeOption = False
) -> None:
    """Training speed of ARGUS: what each loss costs, and its encoder beside nn.TransformerEncoder."""
    with errors_as_sentences(patience=None):
        from benchmarks import argus as bench

        _end("argus", bench.run(rounds, smoke, _report))


@app.command()
def attention(smoke: SmokeOption = False) -> None:
    """Speed and memory of jagged attention against padded attention, forward and backward."""
    with errors_as_sentences(patience=None):
        from benchmarks import attention as bench

        _end("attention", bench.run(smoke, _report))


@app.command()
def ranking(smoke: SmokeOption = False) -> None:
    """Candidates scored together against one cached history, against one by one and one full pass."""
    with errors_as_sentences(patience=None):
        from benchmarks import ranking as bench

        _end("ranking", bench.run(smoke=smoke, report=_report))


@app.command(name="off-policy")
def off_policy(
    data: Annotated[Path | None, typer.Option("--data", help="The folder of an unpacked Open Bandit Dataset.")] = None,
    clip: Annotated[float | None, typer.Option(help="Cut larger weights to it.")] = None,
    smoke: SmokeOption = False,
) -> None:
    """Off-policy estimates of a policy from another one's log, against what it earned in its own: Open Bandit."""
    with errors_as_sentences(patience=None):
        from benchmarks import off_policy as bench

        _end("off-policy", bench.run(data, clip, smoke, _report))


@app.command()
def kuairand(
    seeds: Annotated[int, typer.Option(min=1, help="How often each model is trained.")] = 5,
    data: Annotated[
        Path | None,
        typer.Option("--data", envvar="GENREC_KUAIRAND", help="The folder of the extract of KuaiRand-Pure."),
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option("--predictions", help="A Parquet file for the scores of the best model.")
    ] = None,
    growing: Annotated[
        bool, typer.Option("--growing", help="Besides, each day by itself with the days before it known, seed 0.")
    ] = False,
    scorer: Annotated[
        list[str] | None, typer.Option("--scorer", help="Only these, or ablations; may be given again.")
    ] = None,
    smoke: SmokeOption = False,
) -> None:
    """Ranking users' own impressions on KuaiRand-Pure by a public protocol, beside classical baselines."""
    with errors_as_sentences(patience=None):
        from benchmarks import kuairand as bench

        _end("kuairand", bench.run(seeds, data, predictions, growing, scorer or [], smoke, _report))


@app.command()
def yambda(
    size: Annotated[YambdaSize, typer.Option(help="Which published figures stand beside ours.")] = YambdaSize.m50,
    task: Annotated[YambdaTask, typer.Option(help="What is asked for.")] = YambdaTask.listen_plus,
    data: Annotated[
        Path | None, typer.Option("--data", help="The folder with the flat multi_event.parquet of that size.")
    ] = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """Yambda's own benchmark: 300 days of music, then a day, the whole catalogue; beside the published baselines."""
    with errors_as_sentences(patience=None):
        from benchmarks import yambda as bench

        _end("yambda", bench.run(size.value, task.value, data, _kept(out), smoke, _report))


@app.command(name="shown-and-liked")
def shown_and_liked(
    events: Annotated[int, typer.Option(min=1, help="Of the demo world, about.")] = 400_000,
    seeds: Annotated[int, typer.Option(min=1, help="With how many everything is trained.")] = 3,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """What is shown and what is liked, told apart: ARGUS beside a model of positives, where the truth is known."""
    with errors_as_sentences(patience=None):
        from benchmarks import shown_and_liked as bench

        _end("shown-and-liked", bench.run(events, 1 if smoke else seeds, _kept(out), smoke, _report))


@app.command()
def stabilisation(
    nights: Annotated[int, typer.Option(min=3, help="Nights of the demo world, each trained from scratch.")] = 4,
    events: Annotated[int, typer.Option(min=1, help="Of the demo world, about.")] = 100_000,
    items: Annotated[int, typer.Option(min=100, help="Of the release whose stabilisation is timed.")] = 1_000_000,
    same_seed: Annotated[
        bool, typer.Option("--same-seed", help="All nights train with one, as the line does.")
    ] = False,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """What a model of one night's vectors loses on the next night's, with and without stabilisation."""
    with errors_as_sentences(patience=None):
        from benchmarks import stabilisation as bench

        _end("stabilisation", bench.run(nights, events, items, same_seed, _kept(out), smoke, _report))


@app.command()
def overload(
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 3,
    smoke: SmokeOption = False,
) -> None:
    """The endpoint at up to five times its capacity, beside a no-op deployment and one without admission; by `hey`."""
    with errors_as_sentences(patience=None):
        from benchmarks import overload as bench

        _end("overload", bench.run(rounds, smoke, _report))


@app.command()
def validation(
    rows: Annotated[int, typer.Option(min=1, help="How many events.")] = 10_000_000, smoke: SmokeOption = False
) -> None:
    """Every row and every day of synthetic events judged, against the time of reading them."""
    with errors_as_sentences(patience=None):
        from benchmarks import validation as bench

        _end("validation", bench.run(rows, smoke=smoke, report=_report))


@app.command()
def faults(smoke: SmokeOption = False) -> None:
    """Runs killed, disks full, inputs cut off, two runs at once: what every table holds after a repeated run."""
    with errors_as_sentences(patience=None):
        from benchmarks import faults as bench

        _end("faults", bench.run(smoke=smoke, report=_report))


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
        _end("sequences", bench.run(plans, _kept(out), others, smoke, _report))


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

        _end("nightly", bench.run(events * 1_000_000, rounds, _kept(out), smoke, _report))


@app.command(name="nightly-chain")
def nightly_chain(
    events: Annotated[int, typer.Option(min=1_000, help="Events of the demo world over 14 days, about.")] = 250_000,
    nights: Annotated[int, typer.Option(min=2, help="Nights that train on, after one from scratch.")] = 14,
    world: Annotated[int, typer.Option(min=0, help="Seed of the demo world.")] = 11,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the trainings.")] = 0,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """Nights that train on from the one before, against training from scratch every night: quality and cost."""
    with errors_as_sentences(patience=None):
        from benchmarks import nightly_chain as bench

        _end("nightly-chain", bench.run(events, nights, world, seed, _kept(out), smoke, _report))


@app.command()
def scaling(
    epochs: Annotated[int, typer.Option(min=1, help="Over all users; smaller shares have as many steps.")] = 8,
    seeds: Annotated[int, typer.Option(min=1, help="How often each size is trained.")] = 1,
    concurrent: Annotated[int, typer.Option(min=1, help="Trials at once, a core each.")] = 2,
    picture: Annotated[Path | None, typer.Option(help="A PNG file for the laws.")] = None,
    data: DataOption = None,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """How quality grows with the backbone's size: both laws on MovieLens-1M, else on a demo world."""
    with errors_as_sentences(patience=None):
        from benchmarks import scaling as bench

        _end("scaling", bench.run(epochs, seeds, concurrent, data, _kept(out), picture, smoke, _report))


@app.command()
def beside(rounds: Annotated[int, typer.Option(min=1)] = 3, smoke: SmokeOption = False) -> None:
    """What training does beside other programs that take all of the processor they can get."""
    with errors_as_sentences(patience=None):
        from benchmarks import beside as bench

        _end("beside", bench.run(rounds, smoke, _report))


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
        _end("sparse", sparse_line.run(days[-1], _report) if endpoint else bench.run(days, before, smoke, _report))


@app.command()
def staleness(
    profile: Annotated[str, typer.Argument(help="A profile by name, or the path of a YAML file.")] = "demo",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 3,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """Several future targets against the next item alone, by the age of the states that answer."""
    with errors_as_sentences(patience=None):
        from benchmarks import staleness as bench

        _end("staleness", bench.run(profile, seeds, _kept(out), smoke, _report))


@app.command()
def defaults(
    profiles: Annotated[
        list[Path] | None, typer.Argument(exists=True, dir_okay=False, help="Profiles that map columns and no more.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="First nights of each profile.")] = 3,
    rectools: Annotated[
        bool, typer.Option(help="SASRec of RecTools, too; installs it in an environment apart.")
    ] = True,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """Quality of what is released by default settings, against every simple model of the same night and SASRec."""
    with errors_as_sentences(patience=None):
        from benchmarks import defaults as bench

        _end("defaults", bench.run(profiles or [], seeds, rectools, _kept(out), smoke, _report))


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
        _end("training-set", bench.run(size, mib, rows_in_memory, _kept(out), smoke, _report))


@app.command()
def rollback(
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is measured.")] = 3, smoke: SmokeOption = False
) -> None:
    """The way back to the version before, by command and by UI, while a model trains; requests that fail meanwhile."""
    with errors_as_sentences(patience=None):
        from benchmarks import rollback as bench

        _end("rollback", bench.run(rounds, smoke, _report))


def _report(line: object) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=isinstance(line, str))


def _kept(out: Path | None) -> Path:
    return out or environment.home() / "bench"


def _end(bench: str, figures: Figures) -> None:
    print(last_line(bench, figures), flush=True)
