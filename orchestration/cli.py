"""The command `genrec`."""

import json
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer

from orchestration import environment, quarantine, stack
from orchestration.error_messages import errors_as_sentences
from orchestration.options import ProfileOption, Train, applied, not_empty, range_of_days
from orchestration.profile import Profile
from orchestration.terminal import new_console

app = typer.Typer(
    help="genrec: raw logs to a live recommender, as a lineage of Dagster assets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(quarantine.app, name="quarantine")
# Commands of packages that stand on this one, such as benchmarks: it does not import them.
for command in entry_points(group="genrec.commands"):
    app.add_typer(command.load(), name=command.name)
console = new_console()


@app.command()
def demo(profile: ProfileOption = environment.DEFAULT_PROFILE) -> None:
    """Everything once: the head, the whole line for all days, and one user's recommendations from the live endpoint."""
    with errors_as_sentences():
        from orchestration import showcase

        chosen = _materialize(profile, None, None)
        showcase.show(chosen, console)


@app.command()
def init(
    log: Annotated[Path, typer.Argument(help="The file of events: CSV, TSV, JSON Lines or Parquet, plain or gzip.")],
    catalogue: Annotated[Path | None, typer.Argument(help="The file of items, if there is one.")] = None,
    profile: Annotated[Path | None, typer.Option(help="Where the profile goes; default: the log's name here.")] = None,
) -> None:
    """Looks at your files and writes the profile that reads them, with a reason for every guess; asks nothing.

    Then it says what `profile-data` says of that profile.
    """
    with errors_as_sentences():
        from orchestration import profile_data
        from orchestration.init import write_profile

        path, proposal = write_profile(log, catalogue, profile)
        _tell(f"{proposal.text}\n{path} is written.")
        profile_data.show(proposal.report, proposal.doubts, console)
        if proposal.report.stopping:
            raise SystemExit(1)
        _tell(f"Look at it, then:\n  genrec materialize --profile {path}")
        _tell(f"  genrec recommend {proposal.report.seen.evidence.somebody} --profile {path}")


@app.command("profile-data")
def profile_data(
    file: Annotated[Path, typer.Argument(help="A log, or a profile (.yaml, or the name of one that comes with it).")],
    catalogue: Annotated[Path | None, typer.Argument(help="Of a log: the file of items, if there is one.")] = None,
) -> None:
    """Says what a log holds and which settings do not fit, without a lake; exits with 1 where training would stop.

    A profile is judged as it stands; a log by the profile that `genrec init` would write for it.
    """
    with errors_as_sentences():
        from orchestration import profile_data

        report, doubts = profile_data.report_on_files(file, catalogue)
        profile_data.show(report, doubts, console)
        if report.stopping:
            raise SystemExit(1)


@app.command()
def materialize(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    days: Annotated[str | None, typer.Option(help="First and last day, A:B, both included; default: all days.")] = None,
    select: Annotated[str | None, typer.Option(help="Assets, as Dagster selects them, such as 'events*'.")] = None,
    train: Annotated[
        Train | None,
        typer.Option(help="full: train from scratch; nightly: on from the champion; default: as the profile says."),
    ] = None,
) -> None:
    """Materializes the line from raw logs to the endpoint, or a part of it."""
    with errors_as_sentences():
        _materialize(profile, days, select, train)


@app.command()
def up(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and start again what dies, until `genrec down`.")
    ] = False,
) -> None:
    """Starts the local Ray head and the champion's endpoint, which both outlive this command."""
    with errors_as_sentences():
        chosen = applied(profile)
        if watch:
            stack.watch(chosen, _tell)
            return
        with console.status("starting what does not run yet"):
            stack.up(chosen, _tell)


@app.command()
def down(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    everything: Annotated[bool, typer.Option("--all", help="Stop the head although it serves other profiles.")] = False,
) -> None:
    """Ends the endpoint once it has answered what it was asked, and the local Ray head if it serves nobody else."""
    with errors_as_sentences():
        stack.down(applied(profile), everything, _tell)


@app.command()
def ui(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    port: Annotated[int | None, typer.Option(min=1024, max=65535, help="Port of the UI; default: ui.port.")] = None,
    name: Annotated[list[str] | None, typer.Option(help="A name by which a proxy in front of it is called.")] = None,
) -> None:
    """Opens Dagster's UI on this machine: lineage, runs, schedules, every asset materializable; Data Docs beside it."""
    with errors_as_sentences(patience=None):
        from orchestration import ui as user_interface

        chosen = applied(profile)
        _up(chosen)
        user_interface.serve(chosen, port or chosen.ui.port, name or (), _tell)


@app.command()
def status(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
) -> None:
    """Says which version is champion, where it answers, how good it is, and how long each stage took."""
    with errors_as_sentences():
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
    with errors_as_sentences():
        from orchestration import runs

        runs.roll_back(applied(profile), str(not_empty("--reason", reason)))


@app.command()
def forget(
    user: Annotated[str, typer.Argument(help="A user id of the logs.")],
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    reason: Annotated[str, typer.Option(help="Why; recorded without the id.")] = "asked for by the person",
) -> None:
    """Takes a person out of everything that is kept, proves it, and lists the landing files that name them."""
    with errors_as_sentences():
        from orchestration import data_job_runs

        data_job_runs.forget(applied(profile), user, reason)


@app.command()
def recommend(
    user: Annotated[str, typer.Argument(help="A user id of the logs.")],
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    k: Annotated[int, typer.Option("-k", help="How many items.")] = 10,
) -> None:
    """Asks the live endpoint for one user's recommendations."""
    with errors_as_sentences():
        from orchestration import showcase

        showcase.recommend(applied(profile), user, k, console)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(help="A folder for the program and what belongs to it.")],
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    version: Annotated[
        str | None, typer.Option(help="A version; default: the one whose vectors are published.")
    ] = None,
) -> None:
    """Writes a version's encoder as a torch.export program: histories in, vectors of users out, no genrec needed."""
    with errors_as_sentences():
        from orchestration import encoder

        encoder.export(applied(profile), folder, not_empty("--version", version), _tell)


@app.command()
def fetch(
    dataset: Annotated[str, typer.Argument(help="A public dataset, such as ml-1m; an unknown name lists them all.")],
    to: Annotated[Path, typer.Option(help="Folder in which it gets one of its own.")] = Path("datasets"),
    sha256: Annotated[list[str] | None, typer.Option(help="Digest of a file whose publisher states none.")] = None,
) -> None:
    """Downloads a public dataset, checks and unpacks it, and prints the profile that reads it."""
    with errors_as_sentences():
        from orchestration import datasets
        from orchestration import fetch as fetching

        fetching.fetch(datasets.dataset(dataset), to, console, sha256 or ())


@app.command()
def screenshots(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    folder: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path("docs/images"),
) -> None:
    """Takes the pictures of the documentation from the running UI with headless Chromium."""
    with errors_as_sentences(patience=None):
        from orchestration import screenshots as pictures

        pictures.take_all(applied(profile), folder, console)


def _materialize(profile: str, days: str | None, select: str | None, train: Train | None = None) -> Profile:
    chosen_days, select = range_of_days(days), not_empty("--select", select)
    chosen = applied(profile)
    from orchestration import runs

    _up(chosen)
    console.print(f"profile {chosen.name}: state in {environment.state_folder(chosen.name)}")
    outcome = runs.materialize(chosen, chosen_days, select, f"{train}_train" if train else None)
    console.print(f"all stages done in {outcome.wall_seconds:.0f} s", style="green")
    return chosen


def _up(profile: Profile) -> None:
    with console.status("starting the local Ray head"):
        stack.up_head(profile, _tell)


def _tell(line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app()
