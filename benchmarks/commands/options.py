"""What the commands of `genrec bench` share: their options, and how they report and end."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.figures import Figures, last_line
from orchestration import environment
from orchestration.terminal import new_console

console = new_console()

SmokeOption = Annotated[bool, typer.Option("--smoke", help="A tiny size of everything: does it run?")]
DataOption = Annotated[
    Path | None, typer.Option("--data", envvar="GENREC_ML1M", help="The folder of an unpacked MovieLens-1M.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Where runs are kept, to go on after a break; default: below GENREC_HOME.")
]


def report(line: object) -> None:
    console.print(line, highlight=False, markup=False, soft_wrap=isinstance(line, str))


def kept(out: Path | None) -> Path:
    return out or environment.home() / "bench"


def end(bench: str, figures: Figures) -> None:
    print(last_line(bench, figures), flush=True)
