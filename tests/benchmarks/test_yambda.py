"""Yambda's benchmark: the split to the second, the metrics by hand, the whole of it on a small file of its format."""

from math import log2
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.yambda_data import EVENTS, GAP_S, TEST_S, asked_for, training_part, write_imitation
from benchmarks.yambda_metrics import Lists, measured
from tests.benchmarks.smoke import figures


def test_the_gap_belongs_to_nobody(tmp_path: Path) -> None:
    file = write_imitation(tmp_path / "yambda") / EVENTS
    moments = [TEST_S - GAP_S - 5, TEST_S - GAP_S, TEST_S - 5, TEST_S, TEST_S + 5]
    few = pl.read_parquet(file).filter(pl.col("event_type") == "listen").head(5)
    few = few.with_columns(
        timestamp=pl.Series(moments, dtype=pl.UInt32),
        played_ratio_pct=pl.Series([100, 100, 100, 49, 50], dtype=pl.UInt16),
    )
    few.write_parquet(file)
    learned = pl.read_parquet(training_part(file, tmp_path / "training") / EVENTS)
    assert learned["timestamp"].to_list() == moments[:1]
    assert asked_for(file, "listen_plus").rows() == [few.select("uid", "item_id").row(4)]
    assert asked_for(file, "like").is_empty()
    with pytest.raises(FileNotFoundError, match="genrec fetch yambda-50m"):
        training_part(tmp_path / "elsewhere.parquet", tmp_path)


def test_metrics_count_events_and_not_items() -> None:
    lists = Lists(
        items=np.array([[3, 1, 2], [1, 2, 0]]),
        targets=np.array([1, 1, 9, 2]),
        target_users=np.array([0, 0, 0, 1]),
        known=5,
    )
    found = measured(lists, [2, 3])
    ideal = {2: (1 + 1 / log2(3)) + 1, 3: (1 + 1 / log2(3) + 1 / 2) + 1}
    assert found["ndcg@2"] == pytest.approx((1 / log2(3) + 1 / log2(3)) / ideal[2])
    assert found["ndcg@3"] == pytest.approx((1 / log2(3) + 1 / log2(3)) / ideal[3])
    assert found["recall@3"] == pytest.approx((1 / 3 + 1) / 2)
    assert found["coverage@2"] == pytest.approx(3 / 5)
    assert found["ndcg@3_low"] <= found["ndcg@3"] <= found["ndcg@3_high"]


def test_it_runs_from_the_file_to_the_metrics(tmp_path: Path) -> None:
    found = figures("yambda", "--out", str(tmp_path))
    assert {"hstu", "popularity", "item_knn", "ials"} <= set(found)
    # Everybody goes round through six tracks: who counts what they did knows them.
    assert found["item_knn"]["recall@10"] == 1
    assert found["users"] >= 50
