"""How the endpoint answers under load, and on the way back."""

from typing import Annotated

import typer

from benchmarks.commands.options import SmokeOption, end, report
from orchestration.error_messages import errors_as_sentences

app = typer.Typer()


@app.command()
def overload(
    rounds: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 3,
    smoke: SmokeOption = False,
) -> None:
    """The endpoint at up to five times its capacity, beside a no-op deployment and one without admission; by `hey`."""
    with errors_as_sentences(patience=None):
        from benchmarks import overload as bench

        end("overload", bench.run(rounds, smoke, report))


@app.command()
def rollback(
    rounds: Annotated[int, typer.Option(min=1, help="How often each way is measured.")] = 3, smoke: SmokeOption = False
) -> None:
    """The way back to the version before, by command and by UI, while a model trains; requests that fail meanwhile."""
    with errors_as_sentences(patience=None):
        from benchmarks import rollback as bench

        end("rollback", bench.run(rounds, smoke, report))
