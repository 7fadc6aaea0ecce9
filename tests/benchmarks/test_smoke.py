"""Benchmarks run at their smallest and end with one line of JSON; those of an endpoint have files of their own."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from benchmarks.decoding_quality import CHEAP
from benchmarks.sparse import FIRST_DAY
from benchmarks.sparse_line import write_log
from benchmarks.time_to_quality import SMOKE_GOAL
from orchestration.cli import app
from tests.benchmarks.smoke import figures

RATES = ("reference_ratio_{}", "tokens_per_s_{}", "reference_tokens_per_s_{}")


def test_ml1m(tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    found = figures("ml1m", "--size", "large", "--seeds", "2", "--picture", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    for protocol in ("selected", "published", "peeking"):
        reading = found[protocol]
        assert reading["sd"].keys() == reading.keys() - {"sd", "epochs"}
        assert len(reading["epochs"]) == 2
        # Longer lists hold what shorter ones hold; all 100 movies or so are in the longest.
        assert reading["hr@1"] <= reading["hr@10"] <= reading["hr@200"] == reading["hr@1000"] == 1
        assert reading["hr@1"] == reading["ndcg@1"] <= reading["ndcg@10"] <= reading["ndcg@200"]
        assert reading["hr@1"] < reading["mrr"] <= 1
    assert found["peeking"]["ndcg@10"] >= found["published"]["ndcg@10"]


def test_cold() -> None:
    found = figures("cold", "--seeds", "2")
    assert {"text", "image", "text+image", "text+image, masking half", "all modalities"} <= set(found)
    assert found["text+image, masking off"]["warm_loss"] == 0, "it is what the others are compared with"
    assert all(0 <= reading["recall@20"] <= 1 for reading in found.values())
    assert set(found["text+image"]["sd"]) == set(found["popularity of category"])
    assert found["none, masking off"]["sd"] is None, "the first seed is enough"


def test_new_items(tmp_path: Path) -> None:
    found = figures("new-items", "--out", str(tmp_path))
    by_held_out = found.pop("held-out users alone")
    expected = [variant["expected"][0] for variant in found.values()]
    assert expected == sorted(expected)
    assert 0 < expected[0] < expected[-1] < 1
    assert all(variant["chosen"] == by_held_out["chosen"] for variant in found.values())
    assert by_held_out["chosen"][0] > 0
    assert by_held_out["ndcg@10"][0] > 0


def test_posters() -> None:
    found = figures("posters", "--seeds", "2")
    assert [found[share]["pairs"] for share in ("25%", "50%", "100%")] == [26, 51, 102]
    assert found["held_out"] * found["chance_recall@1"] == pytest.approx(1, rel=1e-3)
    assert all(0 <= found[share]["behind"] <= 1 for share in ("25%", "50%", "100%"))
    assert set(found["50%"]["sd"]) == set(found["50%"]) - {"sd"}


def test_ml1m_argus(tmp_path: Path) -> None:
    picture = tmp_path / "entropy.png"
    found = figures("ml1m-argus", "--seeds", "2", "--picture", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    small, large = found["sizes"]
    assert 10 * small["parameters"] > large["parameters"] > small["parameters"] > 0
    step = found["steps"][0]["next_item_ne"]
    assert step[0] == pytest.approx(large["next_item_ne"][0] - small["next_item_ne"][0], abs=1e-3)
    assert step[1] < step[0] < step[2]
    assert "rating_ne" not in found["next_item"]
    assert "ndcg@10" not in found["rating"]
    difference = found["both"]["ndcg@10"] - found["next_item"]["ndcg@10"]
    assert found["both_minus_next_item"]["ndcg@10"][0] == pytest.approx(difference, abs=1e-3)


def test_training() -> None:
    found = figures("training", "--size", "base", "--no-rectools")
    ratio, ours, theirs = (found[name.format("base")] for name in RATES)
    assert ratio == pytest.approx(ours / theirs, rel=1e-2), "one round: the ratio is that of its two speeds"
    assert ratio == found["reference_ratio_base_low"] == found["reference_ratio_base_high"]


def test_decoding() -> None:
    found = figures("decoding")
    assert found["ratio_1e3"] == found["ratio_low_1e3"] == found["ratio_high_1e3"]
    expected = found["full_s_per_position_1e3"] / found["cheap_s_per_position_1e3"]
    assert found["ratio_1e3"] == pytest.approx(expected, rel=1e-2), "one round"
    # 16 wide: 2 * 1,000 * 16 against 2 * (16 * 2 + 10 * 2 + 10 * 16 * 2 / 2,048).
    assert found["flops_ratio_1e3"] == pytest.approx(306.8, abs=0.1)


def test_decoding_quality(tmp_path: Path) -> None:
    found = figures("decoding", "--quality", "--seeds", "2", "--out", str(tmp_path))
    assert set(found["validation"]) == set(CHEAP)
    assert found["validation"][found["chosen"]] == max(found["validation"].values())
    mean, low, high = found["difference"]
    assert low <= mean <= high
    assert mean == pytest.approx(found[found["chosen"]]["ndcg@10"] - found["full"]["ndcg@10"], abs=1e-3)


def test_argus() -> None:
    found = figures("argus")
    ratio = found["next_item_per_s_kuairand"] / found["both_per_s_kuairand"]
    assert found["both_to_next_item_kuairand"] == pytest.approx(ratio, rel=1e-2), "one round"
    assert 0 < found["sketch_share_kuairand"] < 1
    assert 0 < found["lookup_share_kuairand"] < 1


def test_time_to_quality() -> None:
    found = figures("training", "--size", "base", "--time-to-quality")
    assert found["ndcg@10_base"] >= SMOKE_GOAL
    assert found["epochs_to_0172_base"] == 1, "the goal of a smoke run is what one epoch reaches"
    assert isinstance(found["minutes_to_0172_base"], float)


def test_sequences(tmp_path: Path) -> None:
    found = figures("sequences", "--no-others", "--out", str(tmp_path))
    assert found["equal_3k"] is found["equal_6k"] is True
    assert found["limit_mb_6k"] == 1500
    sizes = {"events_per_s", "peak_mb", "io_ratio", "limited_s", "limited_by", "data_to_limit"}
    assert {f"{name}_6k" for name in sizes} <= found.keys()
    assert found["fit_worst_error"] < 1e-6, "a line goes through two points"


def test_training_set(tmp_path: Path) -> None:
    found = figures("training-set", "--out", str(tmp_path))
    # Two in three of 200,000 are positive; every user's are a third of a hundred coins.
    assert 0.65 * 200_000 < found["interactions"] < 0.68 * 200_000
    assert found["log_to_limit_ratio"] * found["limit_mib"] * 2**20 > 20 * 200_000


def test_sparse() -> None:
    found = figures("sparse")
    assert found["overhead_ms_per_partition"] == found["overhead_ms_per_partition_20"]


def test_the_log_on_the_way_to_the_endpoint_has_whole_days_alone(tmp_path: Path) -> None:
    rows = write_log(tmp_path / "log.csv", 100)
    log = pl.read_csv(tmp_path / "log.csv", try_parse_dates=True)
    assert log.height == rows > 100
    assert log["day"].is_between(FIRST_DAY, FIRST_DAY + timedelta(days=99)).all()
    assert log["buyer"].n_unique() < rows


def test_beside() -> None:
    found = figures("beside")
    assert found["inline_tokens_per_s"] > 0
    assert {f"inline_share_beside_{busy}" for busy in (1, 2)} <= found.keys()


def test_nightly(tmp_path: Path) -> None:
    found = figures("nightly", "--out", str(tmp_path))
    assert found["bytes_equal"] is True
    assert found["cost_ratio"] == pytest.approx(found["one_day_s"] / found["all_days_s"], rel=1e-2)


def test_nightly_chain(tmp_path: Path) -> None:
    found = figures("nightly-chain", "--out", str(tmp_path))
    assert (found["nights"], found["chain_length"]) == (2, 2)
    assert found["worst_quality_ratio"] > 0
    assert 0 < found["steps_ratio"] <= 0.2
    assert found["new_items_served"] == found["new_items"] > 0


@pytest.mark.parametrize("bench", ["ml1m", "training"])
def test_a_wrong_folder_is_one_sentence(bench: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", bench, "--data", "/nowhere", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "/nowhere lacks ratings.dat or movies.dat: unpack MovieLens-1M there" in result.output.replace("\n", " ")


def test_attention() -> None:
    found = figures("attention")
    assert {"sdpa_ratio_32", "sdpa_ratio_64", "sdpa_ratio_uniform_64", "reference_ratio_64"} <= found.keys()
    # Memory that grew with the square of the length would have the exponent 2.
    assert 0.7 < found["peak_memory_exponent"] < 1.3


def test_ranking() -> None:
    found = figures("ranking")
    assert found["speedup_16"] == found["one_by_one"][str(found["history"])]["16"]
    assert found["max_abs_diff"] < 1e-4


def test_validation() -> None:
    found = figures("validation")
    assert 0.99 * 20_000 < found["rows"] <= 20_000, "some of the synthetic events fall on the same moment"
    assert found["rows_read_ratio"] < found["read_ratio"], "whole days are judged beside their rows"
    assert found["read_ratio_low"] == found["read_ratio"] == found["read_ratio_high"]


def test_faults() -> None:
    found = figures("faults")
    assert found["kills"] == 1
    assert not any(found[wrong] for wrong in ("lost_rows", "differing_tables", "orphans", "unexplained_failures"))


def test_defaults(tmp_path: Path) -> None:
    found = figures("defaults", "--out", str(tmp_path))
    assert found["sets"] == 1
    assert found["imitation"]["leave_one_out"]["released"] > 0


def test_shown_and_liked(tmp_path: Path) -> None:
    found = figures("shown-and-liked", "--out", str(tmp_path))
    controls = {"sasrec", "gsasrec", "esasrec"}
    scorers = {"argus, feedback", "argus, next item", "argus_towers", "hstu", "oracle", *controls}
    assert set(found["pair_accuracy"]) == set(found["rank_correlation"]) == scorers
    assert found["rank_correlation"]["oracle"]["liked"] == pytest.approx(1)
    best, low, _ = found["pair_accuracy"]["oracle"]
    assert best > low > 0.5
    simple = {"popularity", "item_knn", "ials"}
    assert {"hstu", "argus", "argus_towers", "oracle", *simple} <= set(found["ndcg@10"])
    assert {"hstu", *controls} == set(found["controls"]["time"])
