"""How fast models are trained and asked."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.commands.options import DataOption, OutOption, SmokeOption, end, kept, report
from orchestration.error_messages import errors_as_sentences

app = typer.Typer()


class Sizes(StrEnum):
    base = "base"
    large = "large"
    both = "both"

    @property
    def names(self) -> tuple[str, ...]:
        return ("base", "large") if self is Sizes.both else (self.value,)


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

            end("training", quality.run(size.names, data, smoke, report))
        else:
            from benchmarks import training as bench

            end("training", bench.run(size.names, rounds, rectools, before, data, kept(out), smoke, report))


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

            end("decoding", decoding_quality.run(seeds, data, kept(out), smoke, report))
        else:
            from benchmarks import decoding as bench

            end("decoding", bench.run(rounds, smoke, report))


@app.command()
def argus(
    rounds: Annotated[int, typer.Option(min=1, help="How often the sides alternate.")] = 7, smoke: SmokeOption = False
) -> None:
    """Training speed of ARGUS: what each loss costs, and its encoder beside nn.TransformerEncoder."""
    with errors_as_sentences(patience=None):
        from benchmarks import argus as bench

        end("argus", bench.run(rounds, smoke, report))


@app.command()
def attention(smoke: SmokeOption = False) -> None:
    """Speed and memory of jagged attention against padded attention, forward and backward."""
    with errors_as_sentences(patience=None):
        from benchmarks import attention as bench

        end("attention", bench.run(smoke, report))


@app.command()
def ranking(smoke: SmokeOption = False) -> None:
    """Candidates scored together against one cached history, against one by one and one full pass."""
    with errors_as_sentences(patience=None):
        from benchmarks import ranking as bench

        end("ranking", bench.run(smoke=smoke, report=report))


@app.command()
def beside(rounds: Annotated[int, typer.Option(min=1)] = 3, smoke: SmokeOption = False) -> None:
    """What training does beside other programs that take all of the processor they can get."""
    with errors_as_sentences(patience=None):
        from benchmarks import beside as bench

        end("beside", bench.run(rounds, smoke, report))
