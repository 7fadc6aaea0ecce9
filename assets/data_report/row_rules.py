"""What does not fit in the rows of a log: those that were put aside, and those that are not there."""

from collections.abc import Iterator

import polars as pl

from assets.data_report.profile_keys import SOURCE, TableKeys
from assets.data_report.put_aside import PutAside
from assets.data_report.seen import MENTIONED, Finding, Seen, counted, such_as
from assets.sources.contract import EARLIEST
from assets.sources.guess.times import guess_time
from assets.validation.quarantine import Reason
from models.columns import ACTION, AVAILABLE_FROM, ITEM_ID, TIMESTAMP, USER_ID

FEW = 0.01
"""A smaller share of the rows is not worth a word."""

RARE = 0.001
"""An action of a smaller share of the rows may be a slip."""

MANY = 0.5

DECIMAL_COMMA = r"^\s*-?[0-9.]*,[0-9]+\s*$"


def nothing_there(seen: Seen) -> Iterator[Finding]:
    """No row, or none that is an event."""
    first, last = seen.evidence.days
    if not seen.rows:
        outside = f"; {seen.evidence.outside:,} rows lie on other days" if seen.evidence.outside else ""
        yield Finding(
            "first_day, last_day",
            f"there is no row from {first} to {last}{outside}",
            "set the days to those of the log, or look whether source.events.path names the right files",
            stops=True,
        )
    elif not seen.activity.events:
        yield Finding(
            "quality",
            f"none of the {seen.rows:,} rows is an event ({seen.evidence.put_aside.told()})",
            "mend what is said of them",
            stops=True,
        )


def refused_days(seen: Seen) -> Iterator[Finding]:
    """Rows that the assets `events` and `items` would not publish."""
    evidence, most = seen.evidence, seen.settings.quality.max_rejected_share
    if seen.activity.events and evidence.rejected_share > most:
        yield _refused(seen, "events", "max_rejected_share", evidence.rejected_share, "are put aside")
    most = seen.settings.quality.max_without_time_share
    if seen.activity.events and evidence.without_time_share > most:
        yield _refused(seen, "events", "max_without_time_share", evidence.without_time_share, "have no time")
    most = seen.settings.quality.max_rejected_share
    if seen.settings.keys.has_catalogue and evidence.items_rejected_share > most:
        yield _refused(seen, "items", "max_rejected_share", evidence.items_rejected_share, "are put aside")


def _refused(seen: Seen, table: str, key: str, share: float, what: str) -> Finding:
    rules, check = seen.settings.quality, f"{table}.{key.removeprefix('max_')}_in_range"
    whose = "" if table == "events" else " of the catalogue"
    return Finding(
        f"quality.{key}",
        f"of the rows{whose} of a day up to {share:.0%} {what}, {getattr(rules, key):.0%} are allowed, so that "
        f"`{table}` would be refused",
        "mend what the other findings name, or allow for it",
        stops=rules.severity.get(check) != "warn",
    )


def rows_on_other_days(seen: Seen) -> Iterator[Finding]:
    outside, (first, last) = seen.evidence.outside, seen.evidence.days
    if seen.rows and outside > FEW * (outside + seen.rows):
        yield Finding(
            "first_day, last_day",
            f"{outside:,} rows of the files lie on no day from {first} to {last} and are left out",
            "widen the days, unless that is meant",
        )


def times(seen: Seen) -> Iterator[Finding]:
    """Times in another unit or form than the profile says."""
    keys, aside = seen.settings.keys, seen.evidence.put_aside
    column = keys.events.column(TIMESTAMP)
    wrong = {
        Reason.TIMESTAMP_TOO_OLD: f"lie before {seen.settings.quality.earliest:%Y-%m-%d}",
        Reason.TIMESTAMP_IN_FUTURE: "lie behind their day or in the future",
        Reason.WRONG_TYPE: "are no times in that unit or form",
    }
    # Where the events name the items, one that is unknown has no event on a day of a log.
    wrong |= {} if keys.has_catalogue else {Reason.UNKNOWN_ITEM: f"lie before {EARLIEST:%Y} or in the future"}
    for reason, what in wrong.items():
        rows = aside.at_fault(reason).get(column, 0) if reason == Reason.WRONG_TYPE else aside.because_of(reason)
        if rows <= FEW * seen.rows:
            continue
        values = aside.values(TIMESTAMP, reason, column if reason == Reason.WRONG_TYPE else None)
        told = f"the times of {rows:,} of {seen.rows:,} rows{such_as(values)} {what}"
        yield Finding(keys.events.time_unit, told, how_times_are(values, keys.events, TIMESTAMP))


def how_times_are(values: pl.Series, table: TableKeys, name: str) -> str:
    """What to do about values of the column `name` that are no times in the unit or form of its table."""
    fits = guess_time(values) or (guess_time(values, any_year=True) if name == AVAILABLE_FROM else None)
    if fits is None or not fits.value:
        return f"look at {table.key(name)}"
    if table.times.get(fits.key) != fits.value:
        return f"write `{fits.key}: {fits.value}`, in which they are"
    return 'write `decimal: ","`' if fits.comma else f"look at {table.key(name)}"


def times_without_year(seen: Seen) -> Iterator[Finding]:
    """Events that were let in from before there were logs."""
    histories = seen.histories
    if histories and histories.first and histories.first < EARLIEST:
        yield Finding(
            seen.settings.keys.events.time_unit,
            f"the first event is of {histories.first:%Y-%m-%d}, which quality.earliest allows",
            "if that cannot be, write the unit in which the times are, or a later `earliest`",
        )


def wrong_types(seen: Seen) -> Iterator[Finding]:
    """Ids that are none, or not of the type, and values of other columns that are none of theirs."""
    keys, ids, few = seen.settings.keys, list[tuple[str, str]](), True
    for table, aside, whose, total in _tables(seen):
        for column, rows in aside.at_fault(Reason.WRONG_TYPE).items():
            name = table.contract(column)
            values = aside.values(name, Reason.WRONG_TYPE, column)
            told = (
                f"{counted(rows, 'row')}{whose} {'has' if rows == 1 else 'have'} a value{such_as(values)} in {column!r}"
            )
            if name in (USER_ID, ITEM_ID):
                ids.append((table.key(name), told))
                few &= rows <= FEW * total
            elif column in keys.tags:
                yield Finding(
                    f"{table.section}.tags", f"{told}, which is no name", "name a column of texts or lists of such"
                )
            elif name != TIMESTAMP:
                yield Finding(table.key(name), f"{told}, which is none of its type", _how_to_read(values, table, name))
    if not ids:
        return
    what, where = ", ".join(told for _, told in ids), ", ".join(key for key, _ in ids)
    kind = "whole number" if seen.settings.id_type == "int64" else "id"
    if few:
        yield Finding(where, f"{what}, which is no {kind}", "nothing, if such rows are damaged: they are put aside")
    elif seen.settings.id_type == "int64":
        yield Finding("id_type", f"{what}, which is no {kind}", "write `id_type: string`")
    else:
        yield Finding(where, f"{what}, which is no {kind}", "map the column that holds plain ids")


def _how_to_read(values: pl.Series, table: TableKeys, name: str) -> str:
    if name == AVAILABLE_FROM:
        times = how_times_are(values, table, name)
        return times if times.startswith("write") else f"{times}, or leave it out: `constants: {{{name}: ''}}`"
    if values.str.contains(DECIMAL_COMMA).any():
        return 'write `decimal: ","`'
    if name in table.columns or table.section == SOURCE:
        return "map the column that holds such values, or none"
    return f"map the column that holds such values, or leave it out: `constants: {{{name}: ''}}`"


def missing_values(seen: Seen) -> Iterator[Finding]:
    for table, aside, whose, total in _tables(seen):
        for column, rows in aside.at_fault(Reason.NULL_KEY, Reason.NO_TIME).items():
            if rows > FEW * total:
                key = table.key(table.contract(column))
                advice = "map another column, if one has it in all rows; else nothing, such rows are put aside"
                yield Finding(key, f"it is empty in {rows:,} of {total:,} rows{whose}", advice)


def unreadable_rows(seen: Seen) -> Iterator[Finding]:
    for table, aside, whose, total in _tables(seen):
        rows = aside.because_of(Reason.MALFORMED)
        if rows > FEW * total:
            told = f"{rows:,} of {total:,} rows{whose} cannot be parsed"
            yield Finding(table.section, told, "look at `format`, `delimiter`, `quoted` and `encoding`")


def _tables(seen: Seen) -> Iterator[tuple[TableKeys, PutAside, str, int]]:
    """The keys of each table, what was put aside of it, how it is called, and how many rows it has."""
    keys, evidence = seen.settings.keys, seen.evidence
    yield keys.events, evidence.put_aside, "", seen.rows
    # Items that the events name are at fault where these are.
    if keys.has_catalogue:
        aside = evidence.items_put_aside
        yield keys.items, aside, " of the catalogue", seen.content.items + aside.rows


def duplicates(seen: Seen) -> Iterator[Finding]:
    rows = seen.evidence.put_aside.because_of(Reason.DUPLICATE)
    if rows > seen.settings.quality.drift.max_duplicate_share * seen.rows:
        times = guess_time(seen.evidence.put_aside.values(TIMESTAMP, Reason.DUPLICATE))
        to_the_day = times is not None and times.to_the_day
        yield Finding(
            seen.settings.keys.events.section,
            f"{rows:,} of {seen.rows:,} rows repeat the user, item, time and action of another one",
            "nothing, if no column has times finer than these days: of one user and item the first of a day counts"
            if to_the_day
            else "if these are different events, map a finer time; else nothing, the first of them counts",
        )


def unknown_actions(seen: Seen) -> Iterator[Finding]:
    """Actions that only the log knows."""
    aside = seen.evidence.put_aside
    rows = aside.because_of(Reason.UNKNOWN_ACTION)
    if rows > RARE * seen.rows:
        values = aside.values(ACTION, Reason.UNKNOWN_ACTION)
        yield Finding(
            "quality.actions",
            f"{rows:,} of {seen.rows:,} rows have another action{such_as(values)}",
            "add it, if such rows are meant to count",
        )


def unknown_items(seen: Seen) -> Iterator[Finding]:
    keys, rows = seen.settings.keys, seen.evidence.put_aside.because_of(Reason.UNKNOWN_ITEM)
    if rows > FEW * seen.rows and keys.has_catalogue:
        theirs = seen.evidence.put_aside.values(ITEM_ID, Reason.UNKNOWN_ITEM)
        listed = seen.evidence.items.select(pl.col(ITEM_ID).cast(pl.String)).head(MENTIONED).collect()[ITEM_ID]
        yield Finding(
            keys.items.key(ITEM_ID),
            f"{rows:,} of {seen.rows:,} rows are of items that the catalogue lacks{such_as(theirs)}, it "
            f"has{such_as(listed) or ' none'}",
            "map the column with the log's ids, or keep such rows with `quality.reject_unknown_items: false`",
        )
    elif seen.histories and seen.histories.chosen_items and seen.listed_share < 1 - MANY:
        yield Finding(
            keys.items.key(ITEM_ID),
            f"the catalogue has {seen.listed_share:.0%} of the items that were chosen",
            "map the column with the log's ids, or leave the catalogue out",
        )
