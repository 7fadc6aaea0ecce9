import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from assets.evaluation.evaluate_version import REFERENCE, BrokenCandidate, evaluate_version
from assets.evaluation.oracle import KnownTruth
from assets.evaluation.records import record
from assets.evaluation.verdicts import CHECKS, CONTENT_HELPS_COLD_ITEMS, KEEPS_UP, verdicts
from assets.release.gate import decide
from assets.release.settings import ReleaseSettings
from assets.splits.settings import EvaluationSettings
from assets.versions import newest_from_scratch
from models.config.model import ModelConfig, SasrecConfig
from models.evaluation.cases import EvaluationCases
from models.evaluation.model_scorer import ModelScorer
from models.evaluation.report import OVERALL, Measure, VersionEvaluation
from models.manifest import MANIFEST, list_versions, read_manifest
from storage.lake import Lake
from storage.schema import EVALUATIONS_TABLE
from tests.assets.evaluation.worlds import COLD_ITEM, CUTOFF, USERS, fit_simple_models, write_version, write_world
from tests.measured import measured
from tests.sequence_files import write_sequences

SETTINGS = EvaluationSettings(ks=(2, 5), metric="ndcg@2", resamples=100, leave_one_out_users=10, short_history=3)


@dataclass(frozen=True)
class OnlyTheNewItem:
    """A world in which every user wants item 12 on the day of the cutoff, and nothing on other days."""

    def expected_feedback(self, user_ids: np.ndarray, item_ids: np.ndarray, day: date) -> np.ndarray:
        wanted = (item_ids == COLD_ITEM) & (day == CUTOFF.date())
        return np.tile(wanted.astype(np.float32), (len(user_ids), 1))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    write_world(lake)
    return lake


def test_every_scorer_answers_the_same_questions(lake: Lake) -> None:
    folder, champion = write_version(lake, "new"), write_version(lake, "old", seed=1)
    ablation = write_version(lake, "new", seed=2, folder="ablations")
    assert isinstance(OnlyTheNewItem(), KnownTruth)
    simple = fit_simple_models(lake, folder)
    result = evaluate_version(
        lake, folder, SETTINGS, champion=champion, rivals=simple, without_content=ablation, truth=OnlyTheNewItem()
    )
    report = result.report
    others = ["champion", "popularity", "item_knn", "ials", "hstu_without_content", "oracle"]
    assert list(report.scorers) == ["hstu", *others]
    assert list(result.contestants) == ["hstu", "champion", "popularity", "item_knn", "ials"]
    assert (result.contestants["ials"].version, result.contestants["ials"].family) == ("new-ials", "ials")
    assert (report.users, report.targets) == (USERS, USERS + USERS // 3)
    assert (result.version, result.champion, result.cutoff) == ("new", "old", CUTOFF)
    assert result.protocols["leave_one_out"].users == 10
    # Each third user has the new item among their targets, and it is the only cold one.
    assert measured(report, "oracle", "hr@2", "cold").mean == 1.0
    assert measured(report, "oracle", "hr@2", "cold").n == USERS // 3
    assert measured(report, "popularity", "mrr", "cold").mean < 0.5
    assert "short_history" not in report.scorers["hstu"]


def test_the_candidate_and_its_ablation_are_called_after_their_family(lake: Lake) -> None:
    shape = ModelConfig(width=8, max_length=8, backbone=SasrecConfig(layers=1))
    folder = write_version(lake, "new", shape=shape)
    ablation = write_version(lake, "new", seed=2, folder="ablations", shape=shape)
    result = evaluate_version(lake, folder, SETTINGS, rivals=fit_simple_models(lake, folder), without_content=ablation)
    assert {"sasrec", "sasrec_without_content"} < set(result.report.scorers)
    sentences = [verdict.sentence for verdict in verdicts(result)]
    assert sentences[0].startswith("ndcg@2: sasrec 0.")
    assert sentences[3].startswith("ndcg@2 on cold items, with content minus without: ")


def test_versions_of_the_same_training_set_are_contestants_and_compared_with_each_other(lake: Lake) -> None:
    shape = ModelConfig(width=8, max_length=8, backbone=SasrecConfig())
    folder, rival = write_version(lake, "new"), write_version(lake, "rival", seed=1, shape=shape)
    champion = write_version(lake, "old", seed=2, shape=shape)
    result = evaluate_version(lake, folder, SETTINGS, champion=champion, rivals={"sasrec": rival})
    versions = {scorer: (of.version, of.family) for scorer, of in result.contestants.items()}
    assert versions == {"hstu": ("new", "hstu"), "champion": ("old", "sasrec"), "sasrec": ("rival", "sasrec")}
    for report in result.protocols.values():
        against = [report.paired_difference(scorer, "sasrec", "ndcg@2") for scorer in ("hstu", "champion")]
        assert None not in against
        assert against[0] == report.difference("sasrec", "ndcg@2")
    assert result.champion == "old"


def test_a_champion_that_takes_part_already_is_not_asked_twice(lake: Lake) -> None:
    shape = ModelConfig(width=8, max_length=8, backbone=SasrecConfig())
    folder, rival = write_version(lake, "new"), write_version(lake, "rival", seed=1, shape=shape)
    for champion in (folder, rival):
        result = evaluate_version(lake, folder, SETTINGS, champion=champion, rivals={"sasrec": rival})
        assert list(result.contestants) == ["hstu", "sasrec"]
        assert (result.champion, result.broken_champion) == (champion.name, None)
    BROKEN["half the weights"](rival)
    result = evaluate_version(lake, folder, SETTINGS, champion=rival, rivals={"sasrec": rival})
    assert (list(result.contestants), result.champion, result.broken_champion) == (["hstu"], None, "rival")


def test_equal_models_differ_by_nothing(lake: Lake) -> None:
    folder, champion = write_version(lake, "new", seed=3), write_version(lake, "old", seed=3)
    difference = evaluate_version(lake, folder, SETTINGS, champion=champion).report.difference("champion", "ndcg@2")
    assert difference is not None
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0)


def test_a_night_that_was_trained_on_is_judged_by_the_last_version_from_scratch(lake: Lake) -> None:
    scratch, warm = write_version(lake, "scratch", seed=1), write_version(lake, "warm", seed=2)
    manifest = read_manifest(warm).model_copy(update={"parent": "between", "ancestors": ["between", "scratch"]})
    (warm / MANIFEST).write_text(manifest.model_dump_json())
    assert newest_from_scratch(lake, manifest) == scratch
    assert newest_from_scratch(lake, read_manifest(scratch)) is None
    result = evaluate_version(lake, warm, SETTINGS, reference=scratch)
    assert list(result.contestants) == ["hstu"], "nobody releases the reference"
    assert REFERENCE in result.report.scorers
    measured = result.report.measure(REFERENCE, "ndcg@2")
    assert measured
    assert verdicts(result)[-1].passed is not None
    for difference, passed in ((-0.02, False), (-0.005, True), (0.3, True)):
        behind = Measure(mean=difference * measured.mean, low=-1.0, high=difference * measured.mean, n=10)
        told = {OVERALL: {REFERENCE: {"ndcg@2": behind}}}
        report = result.report.model_copy(update={"differences": told})
        verdict = verdicts(result.model_copy(update={"protocols": {result.primary_protocol: report}}))[-1]
        assert (verdict.check, verdict.passed) == (KEEPS_UP, passed)
        assert ("run the job `full_train`" in verdict.sentence) is not passed
        assert "2 nights after training from scratch" in verdict.sentence
    alone = verdicts(evaluate_version(lake, warm, SETTINGS))[-1]
    assert (alone.passed, "scratch, which was, could not be asked" in alone.sentence) == (None, True)


def test_a_champion_that_has_seen_the_answers_is_left_out(lake: Lake) -> None:
    later = write_version(lake, "later", cutoff=CUTOFF + timedelta(days=1))
    result = evaluate_version(lake, write_version(lake, "new"), SETTINGS, champion=later)
    assert result.champion is None
    assert "champion" not in result.report.scorers


def _without_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def _half_a_file(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return cut


def _other_numbers(change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name in ("item_vectors", "retrieval_vectors"):
            vectors = load_file(folder / f"{name}.safetensors")[name]
            save_file({name: change(vectors).contiguous()}, folder / f"{name}.safetensors")

    return write


BROKEN = {
    "no folder": _without_folder,
    "half a manifest": _half_a_file("manifest.json"),
    "half the weights": _half_a_file("model.safetensors"),
    "half a vocabulary": _half_a_file("vocabulary.parquet"),
    "not finite": _other_numbers(lambda vectors: vectors * torch.nan),
    "huge": _other_numbers(lambda vectors: vectors * 1e30),
    "all zero": _other_numbers(torch.zeros_like),
    "shuffled": _other_numbers(lambda vectors: vectors.roll(3, dims=0)),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_broken_champion_is_reported_and_keeps_nobody_from_becoming_one(lake: Lake, damage: str) -> None:
    folder, champion = write_version(lake, "new"), write_version(lake, "old", seed=1)
    BROKEN[damage](champion)
    result = evaluate_version(lake, folder, SETTINGS, champion=champion)
    assert "champion" not in result.report.scorers
    assert (result.champion, result.broken_champion) == (None, "old")
    assert result.left_out["champion"]
    assert list(list_versions(lake.folder("artifacts/hstu")))[-1] in ("new", "old")
    for users in (1, 1_000):
        decision = decide(result, "old", ReleaseSettings(metric="ndcg@2", min_users=users))
        assert decision.promoted == "new"
    assert decide(result, "another", ReleaseSettings(metric="ndcg@2")).promoted is None


def test_a_champion_that_fails_while_it_scores_is_left_out_and_the_others_are_compared(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, champion = write_version(lake, "new"), write_version(lake, "old", seed=1)
    alone = evaluate_version(lake, folder, SETTINGS)
    scored = ModelScorer.score

    def fails(self: ModelScorer, cases: EvaluationCases) -> np.ndarray:
        if self.name == "champion" and len(cases) < USERS:
            raise RuntimeError("no memory is left")
        return scored(self, cases)

    monkeypatch.setattr(ModelScorer, "score", fails)
    result = evaluate_version(lake, folder, SETTINGS, champion=champion)
    assert result.left_out == {"champion": "scorer 'champion' failed: no memory is left"}
    assert result.broken_champion == "old"
    assert result.report.scorers == alone.report.scorers


def test_a_broken_twin_leaves_its_check_without_an_answer_and_a_broken_candidate_is_an_error(lake: Lake) -> None:
    folder, ablation = write_version(lake, "new"), write_version(lake, "new", seed=2, folder="ablations")
    BROKEN["half the weights"](ablation)
    result = evaluate_version(lake, folder, SETTINGS, without_content=ablation)
    assert list(result.left_out) == ["hstu_without_content"]
    (answer,) = (verdict for verdict in verdicts(result) if verdict.check == CONTENT_HELPS_COLD_ITEMS)
    assert answer.passed is None
    assert answer.sentence.startswith("Not measured: the ablation without content is left out (")
    BROKEN["half the weights"](folder)
    with pytest.raises(BrokenCandidate, match=r"(?i)version new cannot answer: .*(safetensor|header|incomplete)"):
        evaluate_version(lake, folder, SETTINGS)


def test_an_empty_window_asks_nobody_and_the_other_protocol_decides(lake: Lake) -> None:
    folder = write_version(lake, "late", cutoff=CUTOFF + timedelta(days=7))
    result = evaluate_version(lake, folder, SETTINGS)
    assert (result.primary_protocol, result.report.users, result.report.measure("hstu", "ndcg@2")) == ("time", 0, None)
    assert result.protocols["leave_one_out"].users == 10
    assert {verdict.passed for verdict in verdicts(result)[:-1]} == {None}
    assert verdicts(result)[0].sentence == "Not measured: there is nobody to ask (time)."
    decision = decide(result, None, ReleaseSettings(metric="ndcg@2", min_users=1))
    assert "ndcg@2 (leave_one_out, 10 users)" in decision.reason
    assert decide(result, None, ReleaseSettings(metric="ndcg@2", min_users=11)).promoted
    result.write(folder)
    assert VersionEvaluation.read(folder) == result


def test_the_split_is_made_of_the_sequences_that_the_version_was_trained_on(lake: Lake) -> None:
    folder = write_version(lake, "new")
    before = evaluate_version(lake, folder, SETTINGS)
    write_sequences(lake.root, lake.sequences().head(3).collect())
    assert _without_seconds(evaluate_version(lake, folder, SETTINGS)) == _without_seconds(before)


def test_records_are_replaced_version_by_version(lake: Lake) -> None:
    results = [evaluate_version(lake, write_version(lake, name, seed=seed), SETTINGS) for seed, name in enumerate("ab")]
    for result in (*results, results[0]):
        record(lake, result)
    table = lake.scan(EVALUATIONS_TABLE).collect()
    assert table.select(pl.struct("version", "protocol", "scorer", "slice", "metric").n_unique()).item() == table.height
    assert set(table["version"]) == {"a", "b"}
    row = table.filter(version="b", protocol="time", scorer="hstu", slice="overall", metric="ndcg@2").row(0, named=True)
    assert row["mean"] == measured(results[1].report, "hstu", "ndcg@2").mean
    assert row["users"] == USERS


def test_an_evaluation_survives_its_file(lake: Lake) -> None:
    folder = write_version(lake, "new")
    with pytest.raises(FileNotFoundError, match="materialize `evaluation`"):
        VersionEvaluation.read(folder)
    result = evaluate_version(lake, folder, SETTINGS)
    result.write(folder)
    assert VersionEvaluation.read(folder) == result
    assert not list(folder.glob(".*"))


def test_the_summary_is_keyed_by_scorer_metric_and_slice(lake: Lake) -> None:
    folder = write_version(lake, "new")
    summary = evaluate_version(lake, folder, SETTINGS, rivals=fit_simple_models(lake, folder)).summary()
    assert set(summary) == {"hstu", "popularity", "item_knn", "ials"}
    overall, cold = summary["hstu"]["ndcg@2"], summary["hstu"]["cold"]
    assert isinstance(overall, dict)
    assert isinstance(cold, dict)
    assert set(overall) == {"mean", "low", "high", "n"}
    assert cold["ndcg@2"]["n"] == USERS // 3


def test_verdicts_answer_every_check_with_the_numbers(lake: Lake) -> None:
    ablation = write_version(lake, "new", seed=2, folder="ablations")
    folder = write_version(lake, "new")
    simple = fit_simple_models(lake, folder)
    answers = verdicts(evaluate_version(lake, folder, SETTINGS, rivals=simple, without_content=ablation))
    assert [answer.check for answer in answers] == list(CHECKS)
    assert list(CHECKS) == ["beats_popularity", "beats_item_knn", "beats_ials", CONTENT_HELPS_COLD_ITEMS, KEEPS_UP]
    assert (answers[4].passed, answers[4].sentence) == (True, "new was trained from scratch.")
    for answer in answers[:3]:
        assert "ndcg@2: hstu 0." in answer.sentence
        assert answer.passed is not None
    assert "10 users" in answers[3].sentence


def test_what_was_not_measured_is_told_with_what_to_do(lake: Lake) -> None:
    folder = write_version(lake, "new")
    simple = fit_simple_models(lake, folder)
    BROKEN["half a manifest"](simple["ials"])
    del simple["item_knn"]
    answers = {answer.check: answer for answer in verdicts(evaluate_version(lake, folder, SETTINGS, rivals=simple))}
    assert answers["beats_popularity"].passed is not None
    assert answers["beats_item_knn"].sentence == (
        "Not measured: there is no ndcg@2 of item_knn on the training set of new; materialize `simple_models` and "
        "`evaluation` again."
    )
    assert answers["beats_ials"].sentence.startswith("Not measured: ials is left out (")
    assert (
        answers[CONTENT_HELPS_COLD_ITEMS].sentence
        == "Not measured: the version has no ablation without content (`training.train_ablation`)."
    )
    assert [answer.passed for answer in answers.values()][1:4] == [None] * 3


@pytest.mark.parametrize("family", ["popularity", "item_knn", "ials"])
def test_a_simple_model_can_be_the_champion_that_is_evaluated_anew(lake: Lake, family: str) -> None:
    champion = fit_simple_models(lake, write_version(lake, "old"))[family]
    folder = write_version(lake, "new", seed=1)
    simple = fit_simple_models(lake, folder)
    result = evaluate_version(lake, folder, SETTINGS, champion=champion, rivals=simple)
    asked_anew = result.contestants["champion"]
    assert (asked_anew.version, asked_anew.family) == (f"old-{family}", family)
    difference = result.report.paired_difference("champion", family, "ndcg@2")
    assert difference is not None
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0), "it was fitted to the same"


def _without_seconds(evaluation: VersionEvaluation) -> dict:
    return evaluation.model_dump(exclude={"protocols": {"__all__": {"seconds"}}})


def test_an_evaluation_written_before_the_primary_protocol_had_its_name_is_read(lake: Lake) -> None:
    result = evaluate_version(lake, write_version(lake, "new"), SETTINGS)
    written = result.model_dump(mode="json")
    written["headline"] = written.pop("primary_protocol")
    assert VersionEvaluation.model_validate(written) == result
