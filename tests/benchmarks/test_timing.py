from benchmarks.timing import Samples, Spread, interleaved, speedup


def test_sides_alternate_and_the_order_turns() -> None:
    calls: list[str] = []
    samples = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2, warmup=1)
    assert calls == ["a", "b", "b", "a", "a", "b"]
    assert [len(side.seconds) for side in samples.values()] == [2, 2]


def test_a_speedup_is_compared_round_by_round() -> None:
    slow, fast = Samples((2.0, 9.0, 4.0)), Samples((1.0, 3.0, 1.0))
    assert speedup(slow, fast) == Spread(median=3.0, low=2.0, high=4.0)


def test_a_rate_is_work_over_time() -> None:
    assert Samples((2.0, 4.0, 1.0)).rate(8) == Spread(median=4.0, low=2.0, high=8.0)
