"""Which settings do not fit what a log holds: one sentence each, and what stops a night.

Each rule is a function of the report's numbers that yields what it finds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import polars as pl

from assets.data_report.cases import Cut
from assets.data_report.content import Content
from assets.data_report.counts import Activity, Histories
from assets.data_report.evidence import Evidence
from assets.data_report.profile_keys import ProfileKeys
from assets.data_report.survey import ROWS
from assets.release.settings import ReleaseSettings
from assets.sources.contract import EARLIEST
from assets.sources.guess.times import guess_time
from assets.training.training_set import TrainingSetSettings
from assets.validation.quarantine import Reason, json_cell
from assets.validation.settings import QualitySettings
from models.columns import ACTION, AT_FAULT, IMAGE, ITEM_ID, REASON, REQUEST_ID, ROW, TIMESTAMP, USER_ID
from storage.schema import IdType

MENTIONED = 3
"""Values that a sentence names at most."""

FEW = 0.01
"""A smaller share of the rows is not worth a word."""

MANY = 0.5


@dataclass(frozen=True)
class Finding:
    """Something in a log that does not fit the settings.

    Attributes:
        key: The setting, as it stands in the profile.
        what: What is wrong with it, with the numbers.
        advice: What to do.
        stops: Whether training cannot succeed.
    """

    key: str
    what: str
    advice: str
    stops: bool = False

    @property
    def sentence(self) -> str:
        return f"{self.key}: {self.what}: {self.advice}"


@dataclass(frozen=True)
class Settings:
    """All that a profile says about a log and what is done with it.

    Attributes:
        keys: How the profile calls what is at fault.
    """

    quality: QualitySettings
    training_set: TrainingSetSettings
    release: ReleaseSettings
    id_type: IdType
    keys: ProfileKeys = field(default_factory=ProfileKeys)

    @property
    def positive_actions(self) -> Sequence[str]:
        return self.training_set.training.positive_actions


@dataclass(frozen=True)
class Seen:
    """What the rules look at.

    Attributes:
        histories: None where there is no event with an action that counts in the vocabulary.
        cut: None where there is no positive.
        listed_share: Share of the chosen items that the catalogue has.
    """

    evidence: Evidence
    settings: Settings
    activity: Activity
    histories: Histories | None
    cut: Cut | None
    content: Content
    listed_share: float

    @property
    def rows(self) -> int:
        return self.activity.events + int(self.evidence.rejected[ROWS].sum())

    def rejected(self, *reasons: Reason) -> int:
        """Rows that were put aside for one of these reasons."""
        return int(self.evidence.rejected.filter(pl.col(REASON).is_in([str(one) for one in reasons]))[ROWS].sum())

    def examples(self, reason: str, at_fault: str | None = None) -> pl.DataFrame:
        """Some of them, whole; of those with columns at fault, only these where they are named."""
        of = pl.col(REASON) == reason
        return self.evidence.examples.filter(of if at_fault is None else of & (pl.col(AT_FAULT) == at_fault))


def findings(seen: Seen) -> list[Finding]:
    """All there is to say, what stops first."""
    found = [finding for rule in RULES for finding in rule(seen)]
    return sorted(found, key=lambda finding: not finding.stops)


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
        values = _values(seen.examples(reason, column), TIMESTAMP)
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
            f"the times of {rows:,} of {seen.rows:,} rows{_such_as(values)} {wrong}",
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
            told.append((name, f"{count:,} rows have a value{_such_as(values)} in {keys.column(name)!r}"))
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
        theirs = _values(seen.examples(Reason.UNKNOWN_ITEM), ITEM_ID)
        listed = seen.evidence.items.select(pl.col(ITEM_ID).cast(pl.String)).head(MENTIONED).collect()[ITEM_ID]
        yield Finding(
            keys.item(ITEM_ID),
            f"{rows:,} of {seen.rows:,} rows are of items that the catalogue lacks{_such_as(theirs)}, it "
            f"has{_such_as(listed) or ' none'}",
            "map the column with the log's ids, or keep such rows with `quality.reject_unknown_items: false`",
        )
    elif seen.histories and seen.histories.chosen_items and seen.listed_share < 1 - MANY:
        yield Finding(
            keys.item(ITEM_ID),
            f"the catalogue has {seen.listed_share:.0%} of the items that were chosen",
            "map the column with the log's ids, or leave the catalogue out",
        )


def actions(seen: Seen) -> Iterator[Finding]:
    """Actions that only the profile or only the log knows."""
    rules, there = seen.settings.quality, dict(seen.activity.actions.iter_rows())
    unknown = seen.rejected(Reason.UNKNOWN_ACTION)
    if unknown:
        values = _values(seen.examples(Reason.UNKNOWN_ACTION), ACTION)
        yield Finding(
            "quality.actions",
            f"{unknown:,} of {seen.rows:,} rows have another action{_such_as(values)}",
            "add it, if such rows are meant to count",
        )
    if not there:
        return
    absent = [action for action in rules.actions if action not in there]
    absent = [action for action in absent if action not in seen.settings.positive_actions]
    if absent and "actions" in rules.model_fields_set:
        yield Finding("quality.actions", f"no row has {_listed(absent)}", "leave it out, unless it is to come")
    missing = [action for action in seen.settings.positive_actions if action not in there]
    if missing:
        found = ", ".join(f"{action} ({rows:,})" for action, rows in there.items())
        yield Finding(
            "training.positive_actions",
            f"no row has {_listed(missing)}, the log has {found}",
            "write those that tell of interest",
            stops=len(missing) == len(seen.settings.positive_actions),
        )


def requests(seen: Seen) -> Iterator[Finding]:
    histories, rules = seen.histories, seen.settings.quality
    if histories and histories.long_requests > rules.max_reused_request_share * histories.requests:
        share = histories.long_requests / histories.requests
        yield Finding(
            seen.settings.keys.event(REQUEST_ID),
            f"{share:.0%} of {histories.requests:,} requests last longer than {_told(rules.request_gap)}, as a session "
            "or a counter that starts over does",
            "map what names one answer of the recommender, or nothing; or raise quality.request_gap",
        )


def few_items_or_interactions(seen: Seen) -> Iterator[Finding]:
    histories = seen.histories
    if not (histories and histories.positives):
        return
    if histories.chosen_items == 1:
        yield Finding(
            seen.settings.keys.event(ITEM_ID),
            "everything that counts is with a single item, so that there is nothing to choose from",
            "map the column that tells items apart",
            stops=True,
        )
    if _nobody_has_a_history(seen):
        yield Finding(
            seen.settings.keys.event(USER_ID),
            f"none of {len(histories.lengths):,} users has two interactions that count, so that nobody has a history",
            "map the column that tells who it was on every visit; else popularity is all that can be released",
        )


def cutoff(seen: Seen) -> Iterator[Finding]:
    cut = seen.cut
    if cut and not cut.learners:
        key = "evaluation.cutoff" if cut.split.cutoff else "evaluation.window_days"
        yield Finding(
            key,
            f"nothing that counts happened before {cut.cutoff:%Y-%m-%d}, where training ends",
            "leave it out, so that it follows the data",
            stops=True,
        )


def evaluation_cases(seen: Seen) -> Iterator[Finding]:
    """Nobody, or too few, to judge a model by."""
    cut, least = seen.cut, seen.settings.release.min_users
    if not (cut and cut.learners) or _nobody_has_a_history(seen) or max(cut.cases.values()) >= least:
        return
    told = ", ".join(f"{cases:,} by {protocol}" for protocol, cases in cut.cases.items())
    if any(cut.cases.values()):
        yield Finding(
            "release.min_users",
            f"too few users can be asked ({told}; {least:,} count), so that popularity is released first and nothing "
            "takes over",
            "wait for more days, widen `evaluation.window_days`, or lower it, if chance may decide",
        )
        return
    key, advice = "evaluation.window_days", "take more days of the log"
    if seen.histories and seen.histories.tied > MANY * seen.histories.positives and not cut.split.hold_out_ties:
        key = "evaluation.hold_out_ties"
        advice = "set it to true, so that of what happened at one moment the last to arrive is held out"
    elif not (cut.split.leave_one_out_users or "leave_one_out_users" in cut.split.left_to_data):
        key, advice = "evaluation.leave_one_out_users", "hold some users out"
    yield Finding(key, "nobody can be asked by any protocol, so that popularity is released, unjudged", advice)


def images(seen: Seen) -> Iterator[Finding]:
    content = seen.content
    if content.readable < content.decoded:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in list(content.reasons.items())[:MENTIONED])
        yield Finding(
            seen.settings.keys.item(IMAGE),
            f"{content.readable:,} of {content.decoded:,} images are readable ({reasons}); the others are skipped",
            "mend them, or set what the reason names; without any, leave the column out",
        )


Rule = Callable[[Seen], Iterator[Finding]]

RULES: Sequence[Rule] = (
    nothing_there,
    times,
    times_without_year,
    id_types,
    missing_values,
    unreadable_rows,
    actions,
    unknown_items,
    refused_days,
    rows_on_other_days,
    duplicates,
    requests,
    few_items_or_interactions,
    cutoff,
    evaluation_cases,
    images,
)


def _nobody_has_a_history(seen: Seen) -> bool:
    return seen.histories is not None and int(seen.histories.lengths.max(initial=0)) < 2


def _of_wrong_type(seen: Seen, column: str, name: str) -> tuple[int, pl.Series]:
    """How many rows have a value of the wrong type in a column of the files, and such values."""
    named = (pl.col(REASON) == Reason.WRONG_TYPE) & pl.col(AT_FAULT).fill_null("").str.split(", ").list.contains(column)
    return int(seen.evidence.rejected.filter(named)[ROWS].sum()), _values(seen.evidence.examples.filter(named), name)


def _by_reason(rejected: pl.DataFrame) -> list[tuple[str, int]]:
    counts = rejected.group_by(REASON).agg(pl.col(ROWS).sum()).sort(ROWS, REASON, descending=[True, False])
    return list(counts.select(REASON, ROWS).iter_rows())


def _values(rows: pl.DataFrame, column: str) -> pl.Series:
    """What `rows` that were put aside (QUARANTINE_SCHEMA) have in a column, the most frequent first."""
    values = rows.select(json_cell(pl.col(ROW), column).alias(column)).drop_nulls()
    counts = values.group_by(column).len().sort("len", column, descending=[True, False])
    return counts[column]


def _such_as(values: pl.Series) -> str:
    some = [value if len(value) <= 40 else f"{value[:37]}..." for value in values.head(MENTIONED).to_list()]
    return f" such as {', '.join(map(repr, some))}" if some else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _told(time: timedelta) -> str:
    return f"{time / timedelta(minutes=1):g} minutes"
