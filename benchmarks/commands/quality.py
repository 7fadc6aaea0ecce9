"""How well models recommend, by published protocols or where the truth is known."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchmarks.commands.options import DataOption, OutOption, SmokeOption, end, kept, report
from orchestration.error_messages import errors_as_sentences

app = typer.Typer()


class Size(StrEnum):
    base = "base"
    large = "large"


class YambdaSize(StrEnum):
    m50 = "50m"
    m500 = "500m"
    b5 = "5b"


class YambdaTask(StrEnum):
    listen_plus = "listen_plus"
    like = "like"


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
        end("ml1m", bench.run(*recipe, ties, device, data, kept(out), picture, smoke, report))


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

        end("ml1m-argus", bench.run(seeds, epochs, data, kept(out), picture, smoke, report))


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

        end("cold", bench.run(seeds, data, kept(out), smoke, report))


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

        end("posters", bench.run(seeds, data, kept(out), smoke, report))


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

        end("kuairand", bench.run(seeds, data, predictions, growing, scorer or [], smoke, report))


@app.command(name="off-policy")
def off_policy(
    data: Annotated[Path | None, typer.Option("--data", help="The folder of an unpacked Open Bandit Dataset.")] = None,
    clip: Annotated[float | None, typer.Option(help="Cut larger weights to it.")] = None,
    smoke: SmokeOption = False,
) -> None:
    """Off-policy estimates of a policy from another one's log, against what it earned in its own: Open Bandit."""
    with errors_as_sentences(patience=None):
        from benchmarks import off_policy as bench

        end("off-policy", bench.run(data, clip, smoke, report))


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

        end("yambda", bench.run(size.value, task.value, data, kept(out), smoke, report))


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

        end("shown-and-liked", bench.run(events, 1 if smoke else seeds, kept(out), smoke, report))


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

        end("defaults", bench.run(profiles or [], seeds, rectools, kept(out), smoke, report))


@app.command("new-items")
def new_items(
    profile: Annotated[str, typer.Argument(help="A profile by name, or the path of a YAML file.")] = "demo",
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds.")] = 3,
    out: OutOption = None,
    smoke: SmokeOption = False,
) -> None:
    """What is expected of items that no version has an ID for yet, and what that does for them and for all."""
    with errors_as_sentences(patience=None):
        from benchmarks import new_items as bench

        end("new-items", bench.run(profile, seeds, kept(out), smoke, report))


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

        end("staleness", bench.run(profile, seeds, kept(out), smoke, report))


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

        end("stabilisation", bench.run(nights, events, items, same_seed, kept(out), smoke, report))


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

        end("nightly-chain", bench.run(events, nights, world, seed, kept(out), smoke, report))


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

        end("scaling", bench.run(epochs, seeds, concurrent, data, kept(out), picture, smoke, report))
