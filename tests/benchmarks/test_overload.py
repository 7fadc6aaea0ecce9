import pytest

from benchmarks.overload import Side
from benchmarks.overload_load import DEADLINE_S, Reading, reading, require_tool, shared_out


def row(status: int, seconds: float) -> dict[str, str]:
    return {"status-code": str(status), "response-time": str(seconds)}


def test_only_what_is_answered_in_time_is_good() -> None:
    rows = [row(200, 0.1), row(200, 0.3), row(200, DEADLINE_S + 0.1), row(503, 0.01), row(503, 0.01)]
    found = reading(rows, offered=10, seconds=2)
    assert (found.offered, found.good) == (5, 1)
    assert found.others == {"503": 2, "none": 5}
    assert 100 <= found.p50_ms <= 300


def test_without_a_good_answer_there_is_no_latency() -> None:
    found = reading([row(503, 0.01)], offered=1, seconds=1)
    assert (found.good, found.p50_ms, found.others) == (0, 0, {"503": 1})


def test_shares_are_of_the_best_closed_loop() -> None:
    of = {good: Reading(offered=good, good=good, p50_ms=1, p99_ms=1, others={}) for good in (10.0, 40.0, 30.0)}
    side = Side({1: of[10.0], 8: of[40.0]}, {2.0: of[30.0]})
    assert (side.capacity, side.share(2.0)) == (40, 0.75)


@pytest.mark.parametrize(("workers", "processes"), [(1, 40), (39, 40), (40, 40), (41, 40), (437, 40)])
def test_every_worker_belongs_to_one_process(workers: int, processes: int) -> None:
    shares = shared_out(workers, processes)
    assert sum(shares) == workers
    assert len(shares) == min(workers, processes)
    assert max(shares) - min(shares) <= 1


def test_a_missing_load_generator_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeError, match="needs the load generator hey: apt install hey"):
        require_tool()
