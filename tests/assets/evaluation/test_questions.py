from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from assets.evaluation.questions import NoRivals, make_questions
from assets.training.dataset import HeldOut
from models.evaluation.cases import EvaluationCases
from models.evaluation.ranking import rivals
from models.evaluation.report import Protocol
from models.interaction_frames import interactions_in
from models.vocabulary import Vocabulary
from storage.schema import TIME

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp()) * 1_000

TRAINING = pl.DataFrame({"user_id": ["u"], "item_ids": [["a", "b"]], "timestamps": [[NOON, NOON]]})
CASES = pl.DataFrame(
    {
        "user_id": ["u", "v"],
        "item_ids": [["a", "b"], ["gone"]],
        "timestamps": [[NOON, NOON], [NOON]],
        "request_time": [NOON + timedelta(seconds=1)] * 2,
        "target_ids": [["c"], ["a", "elsewhere"]],
    },
    schema_overrides={"request_time": TIME, "timestamps": pl.List(TIME)},
)
VOCABULARY = Vocabulary(pl.Series(["a", "b", "c", "d"]), trained=np.arange(1, 3), popularity=np.zeros(5, np.float32))


def held_out(time: pl.DataFrame, leave_one_out: pl.DataFrame) -> HeldOut:
    frames: dict[Protocol, pl.DataFrame] = {"time": time, "leave_one_out": leave_one_out}
    cases = {
        protocol: EvaluationCases(
            frame["user_id"],
            interactions_in(frame, VOCABULARY),
            frame["request_time"].dt.epoch("ms").to_numpy(),
            VOCABULARY.indices(frame["target_ids"].explode()),
            np.concatenate([[0], np.cumsum(frame["target_ids"].list.len())]).astype(np.int64),
        )
        for protocol, frame in frames.items()
        if frame.height
    }
    return HeldOut(interactions_in(TRAINING, VOCABULARY), cases)


def test_unknown_targets_count_and_the_catalogue_says_what_there_is() -> None:
    items = pl.DataFrame(
        {"item_id": ["c", "a", "elsewhere"], "available_from": [NOON, None, NOON]},
        schema_overrides={"available_from": TIME},
    )
    questions = make_questions(held_out(CASES, CASES.clear()), items, VOCABULARY)
    assert list(questions.cases) == ["time"]
    cases = questions.cases["time"]
    assert cases.histories.item_index.tolist() == [1, 2, 0]
    assert cases.histories.timestamps.tolist() == [NOON_MS] * 3
    assert cases.request_times.tolist() == [NOON_MS + 1_000] * 2
    assert cases.targets.tolist() == [3, 1, 0]
    assert cases.target_offsets.tolist() == [0, 1, 3]
    assert questions.catalogue.available_from.tolist() == [0, 0, 0, NOON_MS, 0]
    assert questions.catalogue.cold.tolist() == [True, False, False, True, True]


def test_what_was_chosen_was_there_whatever_the_catalogue_says() -> None:
    """A catalogue that begins days after the log: `b` was chosen at noon, `c` as a held-out target a second later."""
    late = pl.DataFrame({"item_id": list("abcd"), "available_from": [NOON + timedelta(days=3)] * 4})
    last = CASES.tail(1).with_columns(target_ids=pl.Series([["c"]]))
    questions = make_questions(held_out(CASES.clear(), last), late, VOCABULARY)
    later = NOON_MS + 3 * 86_400_000
    assert questions.catalogue.available_from.tolist()[1:] == [NOON_MS, NOON_MS, NOON_MS + 1_000, later]


def test_what_is_gone_is_no_rival_from_then_on() -> None:
    items = pl.DataFrame(
        {"item_id": list("abcd"), "available_from": [NOON] * 4, "gone_from": [None, None, None, NOON]},
        schema_overrides={"gone_from": TIME},
    )
    cases = CASES.tail(1)
    there = make_questions(held_out(cases, CASES.clear()), items.drop("gone_from"), VOCABULARY)
    left = make_questions(held_out(cases, CASES.clear()), items, VOCABULARY)
    assert rivals(there.cases["time"], there.catalogue).tolist() == [3]
    assert rivals(left.cases["time"], left.catalogue).tolist() == [2]


@pytest.mark.parametrize(("alone", "refused"), [(1, False), (3, True)])
def test_a_case_without_a_rival_asks_nothing(alone: int, refused: bool) -> None:
    """Some of 20 users have had everything but their target; the others have one item more to choose from."""
    users = range(20)
    cases = pl.DataFrame(
        {
            "user_id": [f"u{n}" for n in users],
            "item_ids": [["a", "b", "d"] if n < alone else ["a", "b"] for n in users],
            "timestamps": [[NOON] * (3 if n < alone else 2) for n in users],
            "request_time": [NOON + timedelta(seconds=1)] * 20,
            "target_ids": [["c"]] * 20,
        },
        schema_overrides={"request_time": TIME, "timestamps": pl.List(TIME)},
    )
    items = pl.DataFrame({"item_id": list("abcd"), "available_from": [NOON] * 4})
    if refused:
        with pytest.raises(NoRivals, match=r"3 of 20 cases \(time\) have no rival: .* `available_from`"):
            make_questions(held_out(cases, CASES.clear()), items, VOCABULARY)
        return
    questions = make_questions(held_out(cases, CASES.clear()), items, VOCABULARY)
    assert questions.without_rivals == {"time": alone}
    assert questions.cases["time"].user_ids.to_list() == [f"u{n}" for n in users][alone:]
    assert rivals(questions.cases["time"], questions.catalogue).tolist() == [1] * (20 - alone)
