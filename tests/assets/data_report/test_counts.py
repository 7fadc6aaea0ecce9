"""What is counted is what a loop over the events counts; a lake and files that no lake has taken say the same."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assets.data_report.counts import Activity, Histories, Window
from assets.data_report.evidence import Evidence
from assets.sequences.in_memory import SequencesInMemory
from assets.splits.split import SplitRule
from models.actions import action_bits
from storage.lake import Lake
from tests.assets.sequences.test_build import ACTIONS_DECLARED, FIRST, HALF_AN_HOUR, START, events, put, update
from tests.assets.training.test_set_assets import write_catalogue

DAY = 86_400
EVENTS = st.lists(
    st.tuples(
        st.sampled_from("uvwx"),
        st.sampled_from("abcde"),
        st.integers(0, 3).flatmap(lambda day: st.sampled_from([0, 60, 1_800, 7_200]).map(lambda s: day * DAY + s)),
        st.sampled_from(ACTIONS_DECLARED),
        st.sampled_from([None, "r1", "r2"]),
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda event: event[:4],
)
Event = tuple[str, str, int, str, str | None]


def frames(log: Sequence[Event]) -> dict[int, pl.DataFrame]:
    """Rows of the table `events`, by day."""
    days = defaultdict(list)
    for n, (user, item, second, action, request) in enumerate(log):
        days[second // DAY].append((user, item, second, action, None, None, request, n))
    return {day: events(rows, day) for day, rows in days.items()}


def interactions(log: Sequence[Event]) -> list[tuple[str, str, int, int, set[str], str | None]]:
    """User, item, first and last second, actions and request of each interaction, in a loop."""
    groups: dict[tuple[Any, ...], list[list[Event]]] = defaultdict(list)
    for event in sorted(log, key=lambda event: event[2]):
        user, item, second, _, request = event
        runs = groups[user, item, request if request else second]
        if runs and second - runs[-1][-1][2] <= HALF_AN_HOUR.total_seconds():
            runs[-1].append(event)
        else:
            runs.append([event])
    return [
        (run[0][0], run[0][1], run[0][2], run[-1][2], {event[3] for event in run}, run[0][4])
        for runs in groups.values()
        for run in runs
    ]


def expected(log: Sequence[Event], positive: Sequence[str], cutoff: int) -> Mapping[str, Any]:
    """The numbers, counted one by one; the cutoff is a second."""
    every = interactions(log)
    some = sorted((one for one in every if one[4] & set(positive)), key=lambda one: one[3])
    lengths = Counter(user for user, *_ in some)
    moments = Counter((user, last) for user, _, _, last, *_ in some)
    first_seen: dict[str, int] = {}
    for _, item, _, last, *_ in some:
        first_seen.setdefault(item, last)
    requests: dict[tuple[str, str], list[int]] = defaultdict(list)
    for user, _, first, last, _, request in every:
        if request:
            requests[user, request] += [first, last]
    inside, before = ({u for u, _, _, last, *_ in some if (last >= cutoff) == there} for there in (True, False))
    late = [item for _, item, _, last, *_ in some if last >= cutoff]
    return {
        "users": len({event[0] for event in log}),
        "interactions": len(every),
        "positives": len(some),
        "repeated": len(some) - len({(user, item) for user, item, *_ in some}),
        "tied": sum(count for count in moments.values() if count > 1),
        "lengths": sorted(lengths.values()),
        "chosen_items": len(first_seen),
        "requests": len(requests),
        "long_requests": sum(
            max(seconds) - min(seconds) > HALF_AN_HOUR.total_seconds() for seconds in requests.values()
        ),
        "window": (len(inside), len(inside - before), len(late), sum(first_seen[item] >= cutoff for item in late)),
    }


@settings(max_examples=60, deadline=None)
@given(log=EVENTS, positive=st.sampled_from([["click"], ["click", "play"]]), cutoff=st.integers(0, 4))
@example(
    log=[("u", "a", DAY, "impression", "r1"), ("u", "a", DAY + 60, "impression", "r1")], positive=["click"], cutoff=0
)
def test_counts_are_those_of_a_loop(log: list[Event], positive: list[str], cutoff: int) -> None:
    every = pl.concat(frames(log).values())
    activity = Activity.of(every.lazy())
    assert dict(activity.actions.rows()) == Counter(event[3] for event in log)
    assert {(day - FIRST).days: rows for day, rows in activity.days.rows()} == Counter(e[2] // DAY for e in log)
    bits = action_bits(ACTIONS_DECLARED, positive)
    sequences = SequencesInMemory.of(every, ACTIONS_DECLARED, HALF_AN_HOUR)
    wanted = expected(log, positive, cutoff * DAY)
    for rows_in_memory in (1, 10**6):
        found = Histories.of(sequences, bits, HALF_AN_HOUR, rows_in_memory)
        names = wanted.keys() - {"lengths", "window"}
        assert {name: getattr(found, name) for name in names} == {name: wanted[name] for name in names}
        assert sorted(found.lengths.tolist()) == wanted["lengths"]
        assert found.first == START + timedelta(seconds=min(event[2] for event in log))
        rule = SplitRule(START + timedelta(days=cutoff), timedelta(days=9), bits, 0)
        window = Window.of(sequences, rule, found.first_seen, rows_in_memory)
        assert (window.users, window.new_users, window.positives, window.of_new_items) == wanted["window"]


@settings(max_examples=5, deadline=None)
@given(log=EVENTS)
def test_sequences_in_memory_are_those_of_a_lake(tmp_path_factory: pytest.TempPathFactory, log: list[Event]) -> None:
    lake, days = Lake(str(tmp_path_factory.mktemp("lake"))), frames(log)
    put(lake, pl.concat(days.values()), *days)
    update(lake)
    write_catalogue(lake)
    stored = Evidence.of_lake(lake, (FIRST, FIRST)).log
    in_memory = SequencesInMemory.of(pl.concat(days.values()), ACTIONS_DECLARED, HALF_AN_HOUR)
    assert in_memory.item_ids().to_list() == stored.item_ids().to_list()
    assert list(in_memory.actions) == list(stored.actions)

    def told(log: Any) -> dict[str, Any]:
        users: dict[str, Any] = {}
        for part in log.parts(("started", "request_group")):
            every = part.interactions
            for n, user in enumerate(part.users):
                mine = slice(every.offsets[n], every.offsets[n + 1])
                users[user] = {name: column[mine].tolist() for name, column in every.columns.items()}
        return users

    assert told(in_memory) == told(stored)


def test_an_empty_log_of_a_lake(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    put(lake, events([]), 0)
    update(lake)
    write_catalogue(lake)
    evidence = Evidence.of_lake(lake, (FIRST, FIRST))
    assert Activity.of(evidence.events).events == 0
    assert evidence.somebody is None
