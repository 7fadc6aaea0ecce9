"""What a table of trials says of how they were trained."""

import polars as pl

from assets.scaling.sweep import Swept


def swept(losses: list[float]) -> Swept:
    whole = pl.DataFrame({"fraction": 1.0, "parameters": [10, 100, 1_000, 10_000], "loss": losses})
    return Swept(pl.concat([whole, whole.with_columns(fraction=0.5, loss=9.0)]), {})


def test_a_larger_size_that_learned_less_is_named() -> None:
    told = swept([4.1, 3.9, 3.8, 4.0]).undertrained
    assert told
    assert told.startswith(
        "The backbone of 10,000 parameters ends with a training loss of 4.000, a smaller one with 3.800"
    )
    assert swept([4.1, 3.9, 3.8, 3.7]).undertrained is None
    assert swept([4.1, 3.9, 3.8, 3.805]).undertrained is None, "chance"
