"""What does not fit in what a model is to learn from, and by whom it is judged."""

from collections.abc import Iterator
from datetime import timedelta

from assets.data_report.cases import Cut
from assets.data_report.seen import MENTIONED, Finding, Seen, counted, listed
from models.columns import IMAGE, ITEM_ID, REQUEST_ID, USER_ID

MANY = 0.5


def actions(seen: Seen) -> Iterator[Finding]:
    """Actions that only the profile knows."""
    rules, there = seen.settings.quality, dict(seen.activity.actions.iter_rows())
    if not there:
        return
    absent = [action for action in rules.actions if action not in there]
    absent = [action for action in absent if action not in seen.settings.positive_actions]
    if absent and "actions" in rules.model_fields_set:
        yield Finding("quality.actions", f"no row has {listed(absent)}", "leave it out, unless it is to come")
    missing = [action for action in seen.settings.positive_actions if action not in there]
    if missing:
        found = ", ".join(f"{action} ({rows:,})" for action, rows in there.items())
        yield Finding(
            "training.positive_actions",
            f"no row has {listed(missing)}, the log has {found}",
            "write those that tell of interest",
            stops=len(missing) == len(seen.settings.positive_actions),
        )


def requests(seen: Seen) -> Iterator[Finding]:
    histories, rules = seen.histories, seen.settings.quality
    if histories and histories.long_requests > rules.max_reused_request_share * histories.requests:
        share = histories.long_requests / histories.requests
        yield Finding(
            seen.settings.keys.events.key(REQUEST_ID),
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
            seen.settings.keys.events.key(ITEM_ID),
            "everything that counts is with a single item, so that there is nothing to choose from",
            "map the column that tells items apart",
            stops=True,
        )
    if _nobody_has_a_history(seen):
        yield Finding(
            seen.settings.keys.events.key(USER_ID),
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
    if not (cut and cut.learners) or _nobody_has_a_history(seen):
        return
    if max(cut.cases.values()) >= least:
        yield from _only_left_out(seen, cut, least)
        return
    told = ", ".join(f"{cases:,} by {protocol}" for protocol, cases in cut.cases.items())
    what = (
        f"too few users can be asked ({told}; {least:,} count), so that popularity is released and nothing takes over"
    )
    if seen.histories and seen.histories.tied > MANY * seen.histories.positives and not cut.split.hold_out_ties:
        key = "evaluation.hold_out_ties"
        advice = (
            "set it to true, so that of what happened at one moment the last to arrive is held out; or map finer times"
        )
    elif not (cut.split.leave_one_out_users or "leave_one_out_users" in cut.split.left_to_data):
        key, advice = "evaluation.leave_one_out_users", "hold some users out"
    else:
        key, advice = "release.min_users", "take more days of the log, or lower it, if chance may decide"
    yield Finding(key, what, advice)


def _only_left_out(seen: Seen, cut: Cut, least: int) -> Iterator[Finding]:
    """A window in which hardly anybody can be asked, beside enough cases by leave-one-out; an order has no window."""
    if cut.cases["time"] >= least or seen.settings.keys.ordinal or not cut.split.window_days:
        return
    days = "day" if cut.split.window_days == 1 else f"{cut.split.window_days:,} days"
    yield Finding(
        "evaluation.window_days",
        f"{counted(cut.cases['time'], 'user')} can be asked of the last {days} ({least:,} count), and leave-one-out "
        "alone decides, which tells nothing of days to come",
        "nothing, if few users come back; else take more days of the log, or a longer window",
    )


def images(seen: Seen) -> Iterator[Finding]:
    content = seen.content
    if content.readable < content.decoded:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in list(content.reasons.items())[:MENTIONED])
        yield Finding(
            seen.settings.keys.items.key(IMAGE),
            f"{content.readable:,} of {content.decoded:,} images are readable ({reasons}); the others are skipped",
            "mend them, or set what the reason names; without any, leave the column out",
        )


def _nobody_has_a_history(seen: Seen) -> bool:
    return seen.histories is not None and int(seen.histories.lengths.max(initial=0)) < 2


def _told(time: timedelta) -> str:
    return f"{time / timedelta(minutes=1):g} minutes"
