"""Features known at the request and features known after the action are two types, and a mix-up is an error."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mypy import api

from assets.sources.files_settings import EventFilesSettings
from models.columns import ACTIONS, COUNT, ITEM_ID, ITEM_INDEX, STARTED, SURFACE, TIMESTAMP, USER_ID, VALUE
from models.context import (
    OutcomeFeatures,
    RequestFeatures,
    StepInputs,
    outcome_features,
    request_features,
    step_inputs,
)
from models.interactions import Interactions
from models.known import CONTRACT, GAP, declared

lengths = st.lists(st.integers(0, 5), min_size=1, max_size=5)


KNOWN = declared({"device": "request", "scrolled": "outcome"})


def interactions(lengths: list[int], seed: int = 0) -> Interactions:
    rng = np.random.default_rng(seed)
    total = sum(lengths)
    started = np.arange(total) * 100
    columns = {
        ITEM_INDEX: rng.integers(1, 9, total),
        STARTED: started,
        TIMESTAMP: started + rng.integers(0, 90, total),
        ACTIONS: rng.integers(1, 9, total).astype(np.int32),
        VALUE: rng.random(total).astype(np.float32),
        SURFACE: rng.integers(-1, 4, total).astype(np.int16),
        COUNT: rng.integers(1, 4, total),
        "device": rng.integers(-1, 4, total),
        "scrolled": rng.random(total),
    }
    return Interactions(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), columns, KNOWN)


def inputs(made: Interactions) -> StepInputs:
    return step_inputs(request_features(made), outcome_features(made), made.offsets)


@settings(deadline=None)
@given(lengths=lengths)
def test_a_step_reads_its_own_request_and_what_came_of_the_one_before(lengths: list[int]) -> None:
    made = interactions(lengths)
    read = inputs(made)
    for user in range(len(lengths)):
        for place in range(made.offsets[user], made.offsets[user + 1]):
            first = place == made.offsets[user]
            assert read.first[place] == first
            started, timestamps = made.column(STARTED), made.timestamps
            assert read.columns[GAP][place] == (0 if first else started[place] - timestamps[place - 1])
            lasted = timestamps[place - 1] - started[place - 1]
            assert read.columns["previous_duration"][place] == (0 if first else lasted)
            for name in (SURFACE, "device"):
                assert read.columns[name][place] == made.column(name)[place]
            for name in (ACTIONS, VALUE, COUNT, "scrolled"):
                assert read.columns[f"previous_{name}"][place] == (0 if first else made.column(name)[place - 1])
    assert read.columns["previous_value"].dtype == np.float32


@settings(deadline=None)
@given(lengths=lengths.filter(any), data=st.data())
def test_what_came_of_a_step_or_after_it_is_nowhere_in_what_is_read_at_it(lengths: list[int], data: Any) -> None:
    made, other = interactions(lengths), interactions(lengths, seed=1)
    place = data.draw(st.integers(0, sum(lengths) - 1))
    later = np.arange(sum(lengths)) > place
    here = np.arange(sum(lengths)) == place
    mine, others = made.columns, other.columns
    changed = made.with_columns(
        {
            STARTED: np.where(later, others[STARTED] + 1, mine[STARTED]),
            TIMESTAMP: np.where(later, others[TIMESTAMP] + 1, mine[TIMESTAMP] + here),
            **{name: np.where(later, others[name], mine[name]) for name in (SURFACE, "device")},
            **{name: np.where(later, others[name], mine[name]) + here for name in (ACTIONS, VALUE, "scrolled")},
            COUNT: np.where(later, others[COUNT], mine[COUNT]),
        }
    )
    before, after = inputs(made), inputs(changed)
    for name, column in before.columns.items():
        assert (column[: place + 1] == after.columns[name][: place + 1]).all(), name


def test_a_mix_up_is_refused() -> None:
    made = interactions([3, 2])
    request, outcome = request_features(made), outcome_features(made)
    with pytest.raises(TypeError, match="OutcomeFeatures were given where RequestFeatures are read: they would leak"):
        step_inputs(outcome, request, made.offsets)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="RequestFeatures were given where OutcomeFeatures are read"):
        step_inputs(request, request, made.offsets)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="column 'value' is known as outcome: it is no part of RequestFeatures"):
        RequestFeatures({SURFACE: made.column(SURFACE), VALUE: made.column(VALUE)})
    with pytest.raises(TypeError, match="column 'surface' is known as request: it is no part of OutcomeFeatures"):
        OutcomeFeatures({SURFACE: made.column(SURFACE)})


def test_mypy_refuses_a_mix_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    snippet = tmp_path / "mixed_up.py"
    snippet.write_text(
        "import numpy as np\n"
        "from models.context import OutcomeFeatures, RequestFeatures, StepInputs, step_inputs\n"
        "def right(request: RequestFeatures, outcome: OutcomeFeatures, offsets: np.ndarray) -> StepInputs:\n"
        "    return step_inputs(request, outcome, offsets)\n"
        "def wrong(request: RequestFeatures, outcome: OutcomeFeatures, offsets: np.ndarray) -> StepInputs:\n"
        "    return step_inputs(outcome, request, offsets)\n"
    )
    found, _, status = api.run([str(snippet), "--follow-imports=silent"])
    assert status == 1, found
    assert found.count("error:") == 2, found
    assert 'mixed_up.py:6: error: Argument 1 to "step_inputs" has incompatible type "OutcomeFeatures"' in found


def test_every_column_of_the_contract_says_when_it_is_known() -> None:
    who_what_and_when = {USER_ID, ITEM_ID, TIMESTAMP}
    assert set(EventFilesSettings.contract) - who_what_and_when <= set(CONTRACT)


def test_a_profile_declares_its_own_columns() -> None:
    known = declared({"device": "request", "scrolled": "outcome", "surface": "request"})
    assert RequestFeatures({"device": np.zeros(2)}, known).known["device"] == "request"
    with pytest.raises(TypeError, match="column 'scrolled' is known as outcome"):
        RequestFeatures({"scrolled": np.zeros(2)}, known)
    with pytest.raises(ValueError, match="column 'device' is not declared"):
        RequestFeatures({"device": np.zeros(2)})
    with pytest.raises(ValueError, match="column 'actions' is declared as request, but is part of the contract as"):
        declared({ACTIONS: "request"})


def test_features_of_other_lengths_are_refused() -> None:
    made = interactions([2])
    with pytest.raises(ValueError, match="column 'value' has 3 steps, not the 2 of the first column"):
        OutcomeFeatures({ACTIONS: made.column(ACTIONS), VALUE: np.zeros(3)})
    with pytest.raises(ValueError, match="RequestFeatures are of 2 steps, but the offsets end at 3"):
        step_inputs(request_features(made), outcome_features(made), np.array([0, 3]))
