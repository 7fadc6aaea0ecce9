"""What does not fit in the rows of a log: those that were put aside, and those that are not there."""

from collections.abc import Iterator

import polars as pl

from assets.data_report.seen import MENTIONED, Finding, Seen, such_as, values_of
from assets.data_report.survey import ROWS
from assets.sources.contract import EARLIEST
from assets.sources.guess.times import guess_time
from assets.validation.quarantine import Reason
from models.columns import AT_FAULT, ITEM_ID, REASON, TIMESTAMP, USER_ID

FEW = 0.01
"""A smaller share of the rows is not worth a word."""

MANY = 0.5


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
        reasons = ", ".join(f"{rows:,} {reason}" for reason, rows in _by_reason(seen.evidence.rejected))
        yield Finding(
            "quality",
            f"none of the {seen.rows:,} rows is an event ({reasons})",
            "mend what the other findings name",
            stops=True,
        )


def refused_days(seen: Seen) -> Iterator[Finding]:
    """Rows that the asset `events` would not publish."""
    rules, evidence = seen.settings.quality, seen.evidence
    if not seen.activity.events:
        return
    if evidence.rejected_share > rules.max_rejected_share:
        yield Finding(
            "quality.max_rejected_share",
            f"of the rows of a day up to {evidence.rejected_share:.0%} are put aside, {rules.max_rejected_share:.0%} "
            "are allowed, so that `events` would be refused",
            "mend what the other findings name, or allow for it",
            stops=rules.severity.get("events.rejected_share_in_range") != "warn",
        )
    if evidence.without_time_share > rules.max_without_time_share:
        yield Finding(
            "quality.max_without_time_share",
            f"{evidence.without_time_share:.0%} of the rows have no time, {rules.max_without_time_share:.0%} are "
            "allowed, so that `events` would be refused",
            f"look at {seen.settings.keys.event(TIMESTAMP)}, or allow for it",
            stops=rules.severity.get("events.without_time_share_in_range") != "warn",
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
    keys, about = seen.settings.keys, seen.settings.keys.column(TIMESTAMP)
    reasons = [Reason.TIMESTAMP_TOO_OLD, Reason.TIMESTAMP_IN_FUTURE]
    # Where the events name the items, one that is unknown has no event on a day of a log.
    reasons += [] if keys.has_catalogue else [Reason.UNKNOWN_ITEM]
    for reason, column, rows in seen.evidence.rejected.select(REASON, AT_FAULT, ROWS).iter_rows():
        named = reason == Reason.WRONG_TYPE and about in (column or "").split(", ")
        if not (reason in reasons or named) or rows <= FEW * seen.rows:
            continue
        values = values_of(seen.examples(reason, column), TIMESTAMP)
        wrong = {
            Reason.TIMESTAMP_TOO_OLD: f"lie before {seen.settings.quality.earliest:%Y-%m-%d}",
            Reason.TIMESTAMP_IN_FUTURE: "lie behind their day or in the future",
            Reason.UNKNOWN_ITEM: f"lie before {EARLIEST:%Y} or in the future",
        }.get(reason, "are no times in that unit or form")
        fits = guess_time(values)
        stands = keys.told(fits.key) if fits else None
        advice = (
            f"write `{fits.key}: {fits.value}`, in which they are"
            if fits and fits.value and stands != fits.value
            else f"look at the column {about!r}, and at {keys.event(TIMESTAMP)}"
        )
        yield Finding(
            keys.time_unit,
            f"the times of {rows:,} of {seen.rows:,} rows{such_as(values)} {wrong}",
            advice,
        )


def times_without_year(seen: Seen) -> Iterator[Finding]:
    """Events that were let in from before there were logs."""
    histories = seen.histories
    if histories and histories.first and histories.first < EARLIEST:
        yield Finding(
            seen.settings.keys.time_unit,
            f"the first event is of {histories.first:%Y-%m-%d}, which quality.earliest allows",
            "if that cannot be, write the unit in which the times are, or a later `earliest`",
        )


def id_types(seen: Seen) -> Iterator[Finding]:
    """Ids that are none, or not of the type."""
    keys, told = seen.settings.keys, list[tuple[str, str]]()
    for name in (USER_ID, ITEM_ID):
        count, values = _of_wrong_type(seen, keys.column(name), name)
        if count:
            told.append((name, f"{count:,} rows have a value{such_as(values)} in {keys.column(name)!r}"))
    if not told:
        return
    what = ", ".join(sentence for _, sentence in told)
    if seen.settings.id_type == "int64":
        yield Finding("id_type", f"{what}, which is no whole number", "write `id_type: string`")
    else:
        where = ", ".join(keys.event(name) for name, _ in told)
        yield Finding(where, f"{what}, which is no id", "map the column that holds plain ids")


def missing_values(seen: Seen) -> Iterator[Finding]:
    keys = seen.settings.keys
    nulls = seen.evidence.rejected.filter(pl.col(REASON).is_in([Reason.NULL_KEY, Reason.NO_TIME]))
    for column, rows in nulls.group_by(AT_FAULT).agg(pl.col(ROWS).sum()).sort(AT_FAULT).iter_rows():
        if rows > FEW * seen.rows:
            where = ", ".join(keys.event(keys.contract(name)) for name in (column or "").split(", "))
            yield Finding(where, f"it is empty in {rows:,} of {seen.rows:,} rows", "map the column that is filled")


def unreadable_rows(seen: Seen) -> Iterator[Finding]:
    rows = seen.rejected(Reason.MALFORMED)
    if rows > FEW * seen.rows:
        yield Finding(
            seen.settings.keys.events,
            f"{rows:,} of {seen.rows:,} rows cannot be parsed",
            "look at `format`, `delimiter`, `quoted` and `encoding`",
        )


def duplicates(seen: Seen) -> Iterator[Finding]:
    rows = seen.rejected(Reason.DUPLICATE)
    if rows > seen.settings.quality.drift.max_duplicate_share * seen.rows:
        yield Finding(
            seen.settings.keys.events,
            f"{rows:,} of {seen.rows:,} rows repeat the user, item, time and action of another one",
            "if these are different events, map a finer time; else nothing, the first of them counts",
        )


def unknown_items(seen: Seen) -> Iterator[Finding]:
    keys, rows = seen.settings.keys, seen.rejected(Reason.UNKNOWN_ITEM)
    if rows > FEW * seen.rows and keys.has_catalogue:
        theirs = values_of(seen.examples(Reason.UNKNOWN_ITEM), ITEM_ID)
        listed = seen.evidence.items.select(pl.col(ITEM_ID).cast(pl.String)).head(MENTIONED).collect()[ITEM_ID]
        yield Finding(
            keys.item(ITEM_ID),
            f"{rows:,} of {seen.rows:,} rows are of items that the catalogue lacks{such_as(theirs)}, it "
            f"has{such_as(listed) or ' none'}",
            "map the column with the log's ids, or keep such rows with `quality.reject_unknown_items: false`",
        )
    elif seen.histories and seen.histories.chosen_items and seen.listed_share < 1 - MANY:
        yield Finding(
            keys.item(ITEM_ID),
            f"the catalogue has {seen.listed_share:.0%} of the items that were chosen",
            "map the column with the log's ids, or leave the catalogue out",
        )


def _of_wrong_type(seen: Seen, column: str, name: str) -> tuple[int, pl.Series]:
    """How many rows have a value of the wrong type in a column of the files, and such values."""
    named = (pl.col(REASON) == Reason.WRONG_TYPE) & pl.col(AT_FAULT).fill_null("").str.split(", ").list.contains(column)
    return int(seen.evidence.rejected.filter(named)[ROWS].sum()), values_of(seen.evidence.examples.filter(named), name)


def _by_reason(rejected: pl.DataFrame) -> list[tuple[str, int]]:
    counts = rejected.group_by(REASON).agg(pl.col(ROWS).sum()).sort(ROWS, REASON, descending=[True, False])
    return list(counts.select(REASON, ROWS).iter_rows())
