"""The ranker's training set, against what the sequences say: whoever reads how much of them at once."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.ranking.dataset import ASKED, HISTORIES, VALIDATION, ShownRule, vocabulary_before, write_ranking_set
from assets.splits.request_moments import RequestMoments
from assets.training.dataset import content_digest, read_dataset
from assets.training.interaction_files import read_interactions
from models.columns import ACTIONS, STARTED
from models.interactions import Interactions
from storage.lake import Lake
from storage.sequence_store import SequenceFiles
from storage.user_interactions import UserInteractions
from tests.sequence_files import write_sequences

CUTOFF = datetime(2026, 1, 10, tzinfo=UTC)
IMPRESSION, CLICK, LIKE = 1, 2, 4
ACTION_NAMES = ("impression", "click", "like")

User = list[tuple[int, int, int]]
"""(item, hours before the cutoff, actions), oldest first."""


def rule(**more: Any) -> ShownRule:
    given: dict[str, Any] = {
        "actions": ("like", "click"),
        "exposure": "impression",
        "cutoff": CUTOFF,
        "end": CUTOFF + timedelta(hours=24),
        "validation_users": 2,
        "seed": 0,
    }
    return ShownRule(**{**given, **more})


def log_of(folder: Path, users: dict[str, User]) -> SequenceFiles:
    ordered = {user: sorted(done, key=lambda step: -step[1]) for user, done in users.items()}
    lists = {
        "item_ids": [[f"i{item}" for item, _, _ in done] for done in ordered.values()],
        "timestamps": [[CUTOFF - timedelta(hours=hours) for _, hours, _ in done] for done in ordered.values()],
        "actions": [[actions for _, _, actions in done] for done in ordered.values()],
    }
    types: dict[str, Any] = {
        "user_id": pl.String,
        "item_ids": pl.List(pl.String),
        "timestamps": pl.List(pl.Datetime("ms", "UTC")),
        "actions": pl.List(pl.Int32),
    }
    write_sequences(folder, pl.DataFrame({"user_id": list(ordered), **lists}, schema=types), ACTION_NAMES)
    return Lake(str(folder)).interactions()


def written(folder: Path, users: dict[str, User], most: int = 1_000, **more: Any) -> Path:
    folder.mkdir(parents=True)
    log, made = log_of(folder, users), rule(**more)
    vocabulary = vocabulary_before(log, pl.DataFrame({"item_id": ["i1", "never"]}), made)
    write_ranking_set(folder / "set", log, made, vocabulary, None, most)
    return folder / "set"


STEP = st.tuples(st.integers(1, 5), st.integers(-40, 20), st.integers(1, 7))
PEOPLE = st.dictionaries(st.sampled_from("bcdefghijk"), st.lists(STEP, min_size=1, max_size=6), min_size=1)
SHOWN: User = [(1, 9, IMPRESSION), (2, 8, IMPRESSION | CLICK)]


@settings(max_examples=30, deadline=None)
@given(users=PEOPLE, most=st.integers(1, 5))
def test_a_set_is_the_same_to_the_byte_however_much_is_read_at_once(users: dict[str, User], most: int) -> None:
    users |= {"a": SHOWN, "z": SHOWN}
    with tempfile.TemporaryDirectory() as folder:
        whole = written(Path(folder, "whole"), users)
        parts = written(Path(folder, "parts"), users, most)
        assert content_digest(whole) == content_digest(parts)


@settings(max_examples=30, deadline=None)
@given(users=PEOPLE)
def test_every_interaction_before_the_cutoff_is_learned_from_or_held_out_and_the_window_is_asked(
    users: dict[str, User],
) -> None:
    users |= {"a": SHOWN, "z": SHOWN}
    with tempfile.TemporaryDirectory() as folder:
        made = written(Path(folder, "lake"), users)
        vocabulary = read_dataset(made).vocabulary
        names = ["", *vocabulary.item_ids.to_list()]
        known = vocabulary.ids(vocabulary.known_items).to_list()

        def told(name: str) -> list[list[tuple[str, int, int]]]:
            part = read_interactions(made, name)
            steps = zip(part.item_index, part.timestamps, part.column(ACTIONS), strict=True)
            every = [(names[item], int(at), int(mask)) for item, at, mask in steps]
            return [every[first:end] for first, end in zip(part.offsets[:-1], part.offsets[1:], strict=True)]

        def expected(keep: Any) -> list[list[tuple[str, int, int]]]:
            of_users = []
            for user in sorted(users):
                steps = sorted(users[user], key=lambda step: -step[1])
                of_users.append([(f"i{item}", _ms(hours), _mask(mask)) for item, hours, mask in steps if keep(hours)])
            return of_users

        learned, held_out = told(HISTORIES), told(VALIDATION)
        assert all(any(mask & rule().shown for _, _, mask in history) for history in held_out)
        assert sorted(learned + held_out) == sorted(history for history in expected(lambda h: h > 0) if history)
        begun = expected(lambda hours: hours > -24)
        asked = [
            [step if step[0] in known else ("", *step[1:]) for step in history]
            for history in begun
            if any(at >= _ms(0) and mask & rule().shown for _, at, mask in history)
        ]
        assert told(ASKED) == asked


def test_masks_are_by_the_rankers_own_list_of_actions(tmp_path: Path) -> None:
    made = written(tmp_path / "lake", {"a": SHOWN, "z": [(1, 3, IMPRESSION | LIKE), (2, 2, CLICK)]})
    parts = [read_interactions(made, name) for name in (HISTORIES, VALIDATION)]
    whole = Interactions.concatenated(parts)
    # like is bit 0, click is bit 1, and bit 2 says that it was shown.
    assert sorted(whole.column(ACTIONS).tolist()) == sorted([0b100, 0b110, 0b101, 0b010])
    assert whole.column(STARTED).dtype == np.int64


def test_what_is_too_little_to_learn_from_says_what_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"shown to 1 users: .*'impression' \(ranking.exposure\)"):
        written(tmp_path / "one", {"a": SHOWN, "b": [(1, 2, CLICK)]})
    with pytest.raises(ValueError, match="share"):
        written(tmp_path / "two", {"a": SHOWN, "z": SHOWN}, actions=("share",))


def test_one_in_ten_at_most_is_held_out(tmp_path: Path) -> None:
    users = {f"u{n:02}": SHOWN for n in range(30)}
    made = read_dataset(written(tmp_path / "lake", users, validation_users=50))
    assert (len(made.histories), len(made.validation)) == (27, 3)


def _ms(hours: int) -> int:
    return int((CUTOFF - timedelta(hours=hours)).timestamp() * 1000)


def _mask(mask: int) -> int:
    return (1 if mask & LIKE else 0) | (2 if mask & CLICK else 0) | (4 if mask & IMPRESSION else 0)


def test_what_the_other_models_are_asked_is_not_learned_here_either(tmp_path: Path) -> None:
    users = {"a": [*SHOWN, (3, 4, CLICK), (5, 3, IMPRESSION)], "z": SHOWN, "y": [(1, 2, IMPRESSION)]}
    asked = RequestMoments(pl.Series(["a"]), np.array([_ms(4)]))
    made = written(tmp_path / "lake", users, held_out=asked)
    parts = Interactions.concatenated([read_interactions(made, name) for name in (HISTORIES, VALIDATION)])
    assert sorted(parts.timestamps.tolist()) == sorted(_ms(hours) for hours in (9, 8, 9, 8, 2))
    vocabulary = read_dataset(made).vocabulary
    assert sorted(vocabulary.ids(vocabulary.trained).to_list()) == ["i1", "i2"]


def test_nothing_is_known_that_ended_when_what_was_chosen_began() -> None:
    """The third was shown together with the second, and answered later: of the first alone anything may be known."""
    part = UserInteractions(pl.Series(["b", "a"]), Interactions.of([([1, 2, 3], [10, 20, 30]), ([1, 2], [15, 40])]))
    part = UserInteractions(part.users, part.interactions.with_columns({STARTED: np.array([5, 12, 12, 15, 35])}))
    asked = RequestMoments(pl.Series(["a", "b", "c"]), np.array([99, 30, 1]))
    assert asked.ends(part, 38).tolist() == [12, 38]
    assert asked.before(part, 38).tolist() == [True, False, False, True, False]
    assert RequestMoments.none().ends(part, 38).tolist() == [38, 38]
