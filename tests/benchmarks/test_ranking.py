import pytest

from benchmarks.figures import last_line
from benchmarks.ranking import Question, run


def test_a_smoke_run_gives_all_figures_and_exact_scores() -> None:
    shown: list[object] = []
    figures = run(smoke=True, report=shown.append)
    assert len(shown) == 2
    assert figures["speedup_4"] == figures["one_by_one"][40][4]
    assert figures["max_abs_diff"] < 1e-4
    assert last_line("ranking", figures).startswith('{"bench": "ranking", "figures": {"history": 40, "speedup_4":')


def test_a_question_asks_the_same_in_every_way() -> None:
    question = Question.of(200, 4096)
    assert question.sampled == 163
    assert question.whole.targets.tolist() == [4096]
    assert question.whole.item_index[200:].tolist() == question.candidates.tolist()
    assert question.sample.item_index.view(163, 201)[:, 200].tolist() == question.candidates[:163].tolist()
    assert (question.sample.item_index.view(163, 201)[:, :200] == question.history.item_index).all()
    assert len(set(question.candidates.tolist())) == 4096


def test_a_stated_history_that_is_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the stated history 1024 is not among the measured ones, \(200,\)"):
        run(histories=(200,))
