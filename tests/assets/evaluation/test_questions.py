from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from assets.evaluation.questions import make_questions
from assets.evaluation.split import Split
from assets.schema import TIME
from models.vocabulary import Vocabulary

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
VOCABULARY = Vocabulary(pl.Series(["a", "b", "c"]), trained=2, popularity=np.zeros(4, np.float32))


def test_ids_become_rows_and_unknown_ones_zero():
    items = pl.DataFrame(
        {"item_id": ["c", "a", "elsewhere"], "available_from": [NOON, None, NOON]},
        schema_overrides={"available_from": TIME},
    )
    questions = make_questions(Split(TRAINING, CASES, CASES.clear()), items, VOCABULARY)
    assert list(questions.cases) == ["time"]
    cases = questions.cases["time"]
    assert cases.histories.rows.tolist() == [1, 2, 0]
    assert cases.histories.timestamps.tolist() == [NOON_MS] * 3
    assert cases.request_times.tolist() == [NOON_MS + 1_000] * 2
    assert cases.target_rows.tolist() == [3, 1, 0]
    assert cases.target_offsets.tolist() == [0, 1, 3]
    assert questions.catalogue.available_from.tolist() == [0, 0, 0, NOON_MS]
    assert questions.catalogue.cold.tolist() == [True, False, False, True]
