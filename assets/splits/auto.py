"""What is held out, and what a training set is made with, where the profile leaves it to the data: all the rules.

They look at what happened before the evaluation's cases and at how many cases there would be, never at an outcome. A
rule is changed here and nowhere else.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from math import ceil
from typing import TypeVar

from assets.splits.settings import CutoffSettings, SplitSettings
from assets.splits.split import EPOCH, SplitRule
from assets.splits.survey import Window, rank_gains, survey_windows
from models.actions import action_bits, require_declared
from models.auto import Choice, Choosing, FollowsData, chosen_in, with_values_at
from models.evaluation.report import Protocol
from storage.lake import Lake
from storage.schema import EVENTS_TABLE
from storage.sequence_store import SEQUENCES_TABLE
from storage.user_interactions import ROWS_IN_MEMORY, InteractionLog

WINDOWS_DAYS = (1, 7, 30, 90, 180, 365)
"""The evaluation windows that are considered."""

ENOUGH_USERS = 500
"""So many users tell NDCG@10 to about .03 either way."""

LARGEST_WINDOW = 0.2
"""Share of the log that a window may take from training at most."""

LEAVE_ONE_OUT_USERS, LEAVE_ONE_OUT_SHARE = 1_000, 0.25
"""Users at most, and share of those with two positives, of whom what they did last is held out."""

VALIDATION_USERS, VALIDATION_SHARE = 500, 0.125
"""Users at most, and share of those with two positives, who judge the epochs."""

LARGEST_LOSS = 0.05
"""Share of all positives that leave-one-out may take from training at most."""

RETURNS_SHARE = 0.2
"""From this share of returns among the positives on, people come back to what they know."""

FEWEST_FOR_TIME = 200
"""With fewer users than this the time split does not decide a release, if leave-one-out has more."""

NEVER_DAYS = 36_500.0
"""A half-life that is none."""

HALF_LIVES_DAYS = (1.0, 3.0, 7.0, 30.0, 90.0, 365.0, NEVER_DAYS)
"""The half-lives of popularity that are tried on the last days before the cutoff."""

TRIAL_SHARE = 0.25
"""Of the time before the cutoff, these days are at most so much."""

COLD_START_HOURS, COLD_START_SHARE = 24.0, 0.1
"""IDs are hidden for a day, as a version is made every night, but for no more than this share of the log's time: all
items of a log of one day are younger than a day."""

HOUR_MS = 3_600_000

D = TypeVar("D", bound=FollowsData)


def choose_split(
    log: InteractionLog, positives: int, split: SplitSettings, last_day: date, rows_in_memory: int = ROWS_IN_MEMORY
) -> tuple[SplitSettings, dict[str, Choice], Window]:
    """What is held out of a log, the choices by key, and what that leaves.

    Args:
        positives: Bit mask of the actions that count.
        last_day: The last day that holds data.
    """
    choosing = Choosing(split)
    window, why = _window(log, positives, split, last_day, rows_in_memory)
    if "repeats" in split.left_to_data:
        choosing("repeats", *_repeats(window))
        if choosing.chosen["repeats"].value:
            split = with_values_at(split, {"repeats": True})
            window, why = _window(log, positives, split, last_day, rows_in_memory)
    choosing("window_days", window.days, why)
    most = min(LEAVE_ONE_OUT_USERS, int(LARGEST_LOSS * window.before))
    choosing("leave_one_out_users", *_some(window.with_two, LEAVE_ONE_OUT_SHARE, most))
    return chosen_in(split, choosing.chosen), choosing.chosen, window


def _window(
    log: InteractionLog, positives: int, split: SplitSettings, last_day: date, rows_in_memory: int
) -> tuple[Window, str]:
    """The window of the time split, and why it is that."""
    days = WINDOWS_DAYS if "window_days" in split.left_to_data else (split.window_days,)
    splits = [with_values_at(split, {"window_days": some}) for some in days]
    rules = [SplitRule.by(some, some.cutoff_time(last_day), positives) for some in splits]
    window, why = _best(survey_windows(log, rules, rows_in_memory), cut_by_hand=split.cutoff is not None)
    if not window.before and window.after and len(days) > 1 and split.cutoff is None:
        return _without_window(log, positives, split, last_day, rows_in_memory)
    return window, why


def _repeats(window: Window) -> tuple[bool, str]:
    share = window.returns / max(1, window.before)
    told = f"{share:.0%} of the positives before the cutoff return to an item after others"
    if share >= RETURNS_SHARE:
        return True, f"{told}: people come back to what they know."
    return False, f"{told}, less than {RETURNS_SHARE:.0%}: people look for what is new to them."


def choose_learning(
    log: InteractionLog,
    rule: SplitRule,
    window: Window,
    data: D,
    described: float,
    rows_in_memory: int = ROWS_IN_MEMORY,
) -> tuple[D, dict[str, Choice]]:
    """What a model learns from, and the choices by key.

    Args:
        rule: By which the log is split.
        window: What that leaves.
        data: The settings of the training set.
        described: Share of the items that have content.
    """
    choosing = Choosing(data)
    if "popularity_half_life_days" in data.left_to_data:
        choosing("popularity_half_life_days", *_half_life(log, rule, window, rows_in_memory))
    choosing("validation_users", *_some(window.with_two, VALIDATION_SHARE, VALIDATION_USERS, least=1))
    choosing("cold_start_hours", *_cold_start_hours(rule, window, described))
    return chosen_in(data, choosing.chosen), choosing.chosen


def choose_protocol(cases: Mapping[Protocol, int]) -> Choice:
    """By which protocol a release is decided.

    Args:
        cases: Users that each can ask.
    """
    time, held_out = cases.get("time", 0), cases.get("leave_one_out", 0)
    told = f"{time:,} users can be asked by time and {held_out:,} by leave-one-out"
    if time >= FEWEST_FOR_TIME or time >= held_out:
        return Choice(value="time", reason=f"{told}; by time they are asked as in production.")
    return Choice(value="leave_one_out", reason=f"{told}; fewer than {FEWEST_FOR_TIME} by time say too little.")


def cutoff_day(lake: Lake, settings: CutoffSettings, rows_in_memory: int = ROWS_IN_MEMORY) -> date | None:
    """The first day that the next training set will not see; None where there are no events yet."""
    days = lake.days(EVENTS_TABLE)
    if not days:
        return None
    split = settings.split
    if "window_days" in split.left_to_data and split.cutoff is None and lake.exists(SEQUENCES_TABLE):
        log = lake.interactions()
        require_declared(log.actions, settings.positive_actions)
        positives = action_bits(log.actions, settings.positive_actions)
        split, _, _ = choose_split(log, positives, split, max(days), rows_in_memory)
    return split.cutoff_time(max(days)).date()


def _best(windows: Sequence[Window], cut_by_hand: bool) -> tuple[Window, str]:
    """The window that is chosen, and why."""
    allowed = [windows[0]] + [
        window
        for window in windows[1:]
        if window.users and (cut_by_hand or window.after <= LARGEST_WINDOW * (window.before + window.after))
    ]
    enough = [window for window in allowed if window.asked >= ENOUGH_USERS]
    best = enough[0] if enough else max(allowed, key=lambda window: window.asked)
    told = f"{best.asked:,} users with a history come back within {best.days} day{'s' if best.days > 1 else ''}"
    if enough:
        smaller = windows[windows.index(best) - 1]
        return best, f"{told}; {smaller.days} would leave {smaller.asked:,}." if best is not windows[0] else f"{told}."
    return best, f"{told}; no window that leaves {1 - LARGEST_WINDOW:.0%} of the log to training has {ENOUGH_USERS}."


def _without_window(
    log: InteractionLog, positives: int, split: SplitSettings, last_day: date, rows_in_memory: int
) -> tuple[Window, str]:
    """What a log of one day comes to, of which any window would be all."""
    whole = with_values_at(split, {"window_days": 0})
    (window,) = survey_windows(log, [SplitRule.by(whole, whole.cutoff_time(last_day), positives)], rows_in_memory)
    return window, "there is nothing before the last day, so that none can be held out: leave-one-out asks instead."


def _some(users: int, share: float, most: int, least: int = 0) -> tuple[int, str]:
    """How many of the `users` with so many positives are held out, and why."""
    some = max(least, min(most, ceil(share * users)))
    why = f"{users:,} users have two positives before the cutoff"
    return some, f"{why}; {most:,} are enough." if some == most else f"{why}, of whom about {share:.0%} are held out."


def _half_life(log: InteractionLog, rule: SplitRule, window: Window, rows_in_memory: int) -> tuple[float, str]:
    span = rule.cutoff - EPOCH - timedelta(milliseconds=window.first_ms)
    trial = min(rule.window, TRIAL_SHARE * span)
    gains = rank_gains(log, rule, rule.cutoff - trial, HALF_LIVES_DAYS, rows_in_memory)
    # Of equally good ones the longest, which moves least from night to night.
    best = max(zip(gains, HALF_LIVES_DAYS, strict=True))[1]
    tried = f"on the last {_told(trial)} before the cutoff"
    if best == NEVER_DAYS:
        return best, f"{tried} popularity ranks best with old interactions counting in full."
    return best, f"{tried} popularity ranks best with a half-life of {best:g} days."


def _cold_start_hours(rule: SplitRule, window: Window, described: float) -> tuple[float, str]:
    if not described:
        return 0.0, "no item has content that could stand in for its ID."
    hours = (rule.cutoff_ms - window.first_ms) / HOUR_MS
    short = float(int(COLD_START_SHARE * hours))
    told = f"{described:.0%} of the items have content"
    if short < COLD_START_HOURS:
        return short, f"{told}; the log before the cutoff lasts {hours:,.0f} hours, so a day would hide too many IDs."
    return COLD_START_HOURS, f"{told}, and a version is made every night."


def _told(time: timedelta) -> str:
    days = time / timedelta(days=1)
    return f"{days:,.1f} days" if days >= 2 else f"{24 * days:,.1f} hours"
