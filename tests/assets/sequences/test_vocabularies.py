"""An action's bit is a matter of one version of the sequences; what is kept of a choice of actions is their names."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.engine import LocalEngine
from assets.sequences.build import bring_up_to_date
from models.actions import action_bits, require_declared
from models.columns import ITEM_ID
from models.interaction_frames import positive_interactions
from serving.settings import SequencesVersion
from storage.lake import Lake
from storage.sequence_store import SEQUENCES_TABLE, action_vocabulary
from storage.staged_files import Staging
from storage.user_interactions import read_positives
from tests.assets.sequences.test_build import events, put

GAP = timedelta(minutes=30)
DONE = [("u", "a", 0, "view"), ("u", "b", 1, "click"), ("u", "c", 2, "play"), ("v", "b", 3, "view")]


def rows() -> pl.DataFrame:
    return events([(*row, None, None, None, place) for place, row in enumerate(DONE)])


def update(lake: Lake, actions: Sequence[str]) -> int:
    with Staging(lake) as staging:
        bring_up_to_date(lake, staging, LocalEngine(1), actions, "string", GAP, rows_in_memory=10**6, buckets=2)
    return lake.version(SEQUENCES_TABLE)


def chosen(lake: Lake, version: int, actions: Sequence[str]) -> list[str]:
    """The items that those who read this version see, by lists of ids and by rows alike."""
    served = SequencesVersion(root=lake.root, version=version).open({})
    bits = lake.action_bits(actions, version)
    assert bits == action_bits(served.actions, actions)
    read = positive_interactions(lake.sequences(version), bits).sort("timestamp").collect()
    parts = [part.interactions for part in read_positives(served, bits)]
    at, rows = (np.concatenate([getattr(part, name) for part in parts]) for name in ("timestamps", "item_index"))
    assert served.item_ids().gather(pl.Series(rows[np.argsort(at)] - 1)).to_list() == read[ITEM_ID].to_list()
    return read[ITEM_ID].to_list()


def wanted(actions: Sequence[str]) -> list[str]:
    return [item for _, item, _, action in DONE if action in actions]


VOCABULARIES = [list(order) for order in permutations(["impression", "view", "click", "play"])]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(VOCABULARIES), min_size=2, max_size=3),
    st.lists(st.sampled_from(["view", "click", "play"]), min_size=1, unique=True),
)
def test_every_version_reads_the_same_actions_whatever_their_order(
    tmp_path_factory: pytest.TempPathFactory, orders: list[list[str]], actions: list[str]
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    put(lake, rows(), 0)
    versions = [update(lake, order) for order in orders]
    for version, order in zip(versions, orders, strict=True):
        assert action_vocabulary(lake.root, version) == order
        assert chosen(lake, version, actions) == wanted(actions)


def test_an_action_put_in_front_turns_no_view_into_a_click(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    put(lake, rows(), 0)
    before = update(lake, ["view", "click", "play"])
    after = update(lake, ["impression", "view", "click", "play"])
    assert before != after
    assert chosen(lake, before, ["click"]) == chosen(lake, after, ["click"]) == ["b"]


def test_an_action_that_a_vocabulary_lacks_stands_nowhere_in_it(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    put(lake, rows(), 0)
    version = update(lake, ["view", "click", "play"])
    assert chosen(lake, version, ["click", "purchase"]) == ["b"]
    with pytest.raises(ValueError, match="know none of the actions purchase, only view, click, play"):
        lake.action_bits(["purchase"], version)
    with pytest.raises(ValueError, match=r"actions \['purchase'\] are not declared"):
        require_declared(action_vocabulary(lake.root, version), ["click", "purchase"])


@pytest.mark.parametrize("before", [None, ["view", "click", "play"]])
def test_an_action_taken_out_that_the_events_hold_is_a_sentence_and_nothing_is_written(
    tmp_path: Path, before: list[str] | None
) -> None:
    lake = Lake(str(tmp_path))
    put(lake, rows(), 0)
    if before:
        update(lake, before)
        put(lake, rows().with_columns(pl.col("timestamp") + timedelta(days=1)), 0)
    there = sorted(Path(lake.root).rglob("*"))
    with pytest.raises(ValueError, match=r"holds the action 'click' \(from 2026-01-01 to 2026-01-01\).*put it back"):
        update(lake, ["view", "play"])
    assert [path for path in sorted(Path(lake.root).rglob("*")) if path.is_file()] == [p for p in there if p.is_file()]


def test_a_day_written_with_another_vocabulary_is_seen_though_the_own_did_not_change(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    put(lake, rows(), 0)
    update(lake, ["view", "click", "play"])
    put(lake, events([("u", "a", 86_400, "purchase", None, None, None, 0)], day=1), 1)
    with pytest.raises(ValueError, match="holds the action 'purchase'"):
        update(lake, ["view", "click", "play"])
    update(lake, ["view", "click", "play", "purchase"])
    assert chosen(lake, lake.version(SEQUENCES_TABLE), ["purchase"]) == ["a"]
