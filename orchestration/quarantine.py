"""The commands `genrec quarantine show` and `genrec quarantine replay`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestration import environment
from orchestration.error_messages import errors_as_sentences
from orchestration.options import ProfileOption, applied, not_empty, range_of_days
from orchestration.profile import Profile, section_settings
from orchestration.terminal import new_console

if TYPE_CHECKING:
    from assets.validation.quarantine_selection import Selection
    from storage.lake import Lake

app = typer.Typer(help="Rows that were put aside: which, why, and how they come in after all.", no_args_is_help=True)
console = new_console()

LONGEST_CELL = 300

DaysOption = Annotated[str | None, typer.Option("--days", "--day", help="A day, or first and last, A:B.")]
ReasonOption = Annotated[str | None, typer.Option(help="Rows with this reason alone.")]
OriginOption = Annotated[str | None, typer.Option(help="events or items: the table that the rows were meant for.")]
WhereOption = Annotated[list[str] | None, typer.Option(help="column=text: rows whose raw cell reads so.")]


@app.command()
def show(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    days: DaysOption = None,
    reason: ReasonOption = None,
    origin: OriginOption = None,
    where: WhereOption = None,
    limit: Annotated[int, typer.Option(min=0, help="How many rows are shown whole.")] = 10,
) -> None:
    """Quarantined rows by reason, and some of them whole, with file and row (counted from 0)."""
    with errors_as_sentences():
        lake = _lake(applied(profile))
        from assets.validation.quarantine_selection import counted, samples, selected

        rows = selected(lake, _selection(days, reason, origin, where))
        console.print(_counts(counted(rows).rows()))
        for place, day, why, row in samples(rows, limit).iter_rows():
            shown = row if len(row) <= LONGEST_CELL else f"{row[:LONGEST_CELL]}..."
            console.print(f"{place}  {day}  {why}\n    {shown}", highlight=False, markup=False, soft_wrap=True)


@app.command()
def replay(
    profile: ProfileOption = environment.DEFAULT_PROFILE,
    days: DaysOption = None,
    reason: ReasonOption = None,
    origin: OriginOption = None,
    where: WhereOption = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="column=text: the cell's new text; column= empties it.")
    ] = None,
) -> None:
    """Judges quarantined rows again, by the profile's rules of now and with the cells given."""
    with errors_as_sentences():
        chosen = applied(profile)
        lake = _lake(chosen)
        from assets.validation.replay import plan_replay, still_there

        fixes = {column: text or None for column, text in map(_assignment, set_ or ())}
        plan = plan_replay(
            lake,
            _selection(days, reason, origin, where),
            fixes,
            section_settings("quality", chosen.quality).columns,
        )
        if plan.rows.is_empty():
            console.print("no quarantined row is meant: nothing to replay")
            return
        console.print(
            f"{plan.rows.height} quarantined rows, {plan.corrected} cells corrected; cleaning their days again"
        )
        from orchestration import data_job_runs, runs

        for table, first, last in plan.landed:
            runs.materialize(chosen, (first, last), table)
        if plan.kept:
            data_job_runs.replay_kept(chosen, plan.kept)
        console.print(_outcome(plan.rows.height, still_there(lake, plan).rows()))


def _outcome(meant: int, left: Sequence[tuple[str, int]]) -> str:
    """What a replay came to, in one sentence."""
    stay = sum(rows for _, rows in left)
    reasons = ", ".join(f"{rows} {reason}" for reason, rows in left)
    came = f"{meant - stay} of {meant} rows came in"
    return f"{came}; {stay} stay put aside: {reasons}" if stay else f"{came}; materialize 'sequences*' to go on"


def _counts(rows: Sequence[tuple[str, str, str | None, int, int, str]]) -> Table:
    table = Table("meant for", "reason", "column", "rows", "days", "meaning")
    for origin, reason, column, count, days, meaning in rows:
        table.add_row(origin, reason, escape(column or ""), str(count), str(days), meaning)
    return table


def _selection(days: str | None, reason: str | None, origin: str | None, where: Sequence[str] | None) -> "Selection":
    from assets.validation.quarantine_selection import Selection

    return Selection(
        not_empty("--origin", origin),
        range_of_days(days),
        not_empty("--reason", reason),
        dict(map(_assignment, where or ())),
    )


def _assignment(given: str) -> tuple[str, str]:
    column, sign, text = given.partition("=")
    if not (column and sign):
        raise ValueError(f"{given!r} sets nothing: write column=text, such as action=click")
    return column, text


def _lake(profile: Profile) -> "Lake":
    from storage.lake import Lake

    return Lake(profile.lake_root, profile.lake.storage_options, profile.artifacts_root, profile.family)
