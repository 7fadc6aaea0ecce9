"""The command `genrec`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from orchestration import bench, environment, local_stack, quarantine
from orchestration.options import ProfileOption, applied, range_of_days
from orchestration.profile import Profile
from orchestration.sentences import sentences
from orchestration.workspace import workspace_arguments
from serving.ports import LOOPBACK, is_free

app = typer.Typer(
    help="genrec: raw logs to a live recommender, as a lineage of Dagster assets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bench.app, name="bench")
app.add_typer(quarantine.app, name="quarantine")
console = Console()

UI_ADDRESS = (LOOPBACK, 3000)


@app.command()
def demo(profile: ProfileOption = environment.DEFAULT_PROFILE) -> None:
    """Everything once: the head, the whole line for all days, and one user's recommendations from the live endpoint."""
    with sentences():
        from orchestration import showcase

        chosen = _materialize(profile, None, None)
        showcase.show(chosen, console)


@app.command()
def materialize(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    days: Annotated[str | None, typer.Option(help="First and last day, A:B, both included; default: all days.")] = None,
    select: Annotated[str | None, typer.Option(help="Assets, as Dagster selects them, such as 'events*'.")] = None,
) -> None:
    """Materializes the line from raw logs to the endpoint, or a part of it."""
    with sentences():
        _materialize(profile, days, select)


@app.command()
def up(profile: ProfileOption = environment.DEFAULT_PROFILE) -> None:
    """Starts the local Ray head, which trains and serves; it outlives this command."""
    with sentences():
        _up(applied(profile))


@app.command()
def down(profile: ProfileOption = environment.DEFAULT_PROFILE) -> None:
    """Stops the endpoint and the local Ray head."""
    with sentences():
        stopped = local_stack.down(applied(profile))
        console.print("stopped the endpoint and the Ray head" if stopped else "nothing was running")


@app.command()
def ui(profile: ProfileOption = environment.DEFAULT_PROFILE) -> None:
    """Opens Dagster's UI on this machine: lineage, runs, schedules, every asset materializable."""
    with sentences():
        chosen = applied(profile)
        _up(chosen)
        host, port = UI_ADDRESS
        if not is_free(port):
            raise RuntimeError(f"port {port} of {host} is taken: a UI may run already at http://{host}:{port}")
        os.execve(
            Path(sys.executable).with_name("dagster"),
            ["dagster", "dev", *workspace_arguments(), "-h", host, "-p", str(port)],
            environment.child_environment(chosen),
        )


@app.command()
def status(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Says which version is champion, where it answers, how good it is, and how long each stage took."""
    with sentences():
        from orchestration.status import read_status, status_table

        report = read_status(applied(profile))
        if as_json:
            print(json.dumps(report.model_dump()))
        else:
            console.print(status_table(report))
        if report.problem:
            raise SystemExit(1)


@app.command()
def rollback(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    reason: Annotated[str, typer.Option(help="Why; it is recorded with the release.")] = "asked for by a person",
) -> None:
    """Puts the previous champion back, in the release log and at the endpoint."""
    with sentences():
        from orchestration import runs

        runs.roll_back(applied(profile), reason)


@app.command()
def forget(
    user: Annotated[str, typer.Argument(help="A user id of the logs.")],
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    reason: Annotated[str, typer.Option(help="Why; recorded without the id.")] = "asked for by the person",
) -> None:
    """Takes a person out of everything that is kept, proves it, and lists the landing files that name him."""
    with sentences():
        from orchestration import upkeep_runs

        upkeep_runs.forget(applied(profile), user, reason)


@app.command()
def recommend(
    user: Annotated[str, typer.Argument(help="A user id of the logs.")],
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 10,
) -> None:
    """Asks the live endpoint for one user's recommendations."""
    with sentences():
        from orchestration import showcase

        showcase.recommend(applied(profile), user, k, console)


@app.command()
def fetch(
    dataset: Annotated[str, typer.Argument(help="A public dataset, such as ml-1m; an unknown name lists them all.")],
    to: Annotated[Path, typer.Option(help="Folder in which it gets one of its own.")] = Path("datasets"),
    sha256: Annotated[list[str] | None, typer.Option(help="Digest of a file whose publisher states none.")] = None,
) -> None:
    """Downloads a public dataset, checks and unpacks it, and prints the profile that reads it."""
    with sentences():
        from orchestration import datasets
        from orchestration import fetch as fetching

        fetching.fetch(datasets.dataset(dataset), to, console, sha256 or ())


@app.command()
def screenshots(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    folder: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path("docs/images"),
) -> None:
    """Takes the pictures of the documentation from the running UI with headless Chromium."""
    with sentences():
        from orchestration import screenshots as pictures

        pictures.take_all(applied(profile), folder, console)


def _materialize(profile: str, days: str | None, select: str | None) -> Profile:
    chosen = applied(profile)
    chosen_days = range_of_days(days) if days else None
    from orchestration import runs

    if chosen.ray.mode == "local":
        _up(chosen)
    console.print(f"profile [bold]{chosen.name}[/bold]: state in {environment.state_folder(chosen.name)}")
    outcome = runs.materialize(chosen, chosen_days, select)
    console.print(f"[green]all stages done[/green] in {outcome.wall_seconds:.0f} s")
    return chosen


def _up(profile: Profile) -> None:
    if profile.ray.mode != "local":
        return
    with console.status("starting the local Ray head"):
        started = local_stack.up(profile)
    console.print(f"Ray head {'started' if started else 'runs already'}: {profile.ray.dashboard_url}")


if __name__ == "__main__":
    app()
