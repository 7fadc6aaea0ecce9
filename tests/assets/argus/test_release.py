"""ARGUS and its towers as any other family: asked the same questions, released by the gate, served, rolled back."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
from fastapi.testclient import TestClient

from assets.argus.assets import argus_backbone, user_item_towers
from assets.argus.settings import ArgusSettings
from assets.endpoint.rollout import champion_release
from assets.endpoint.skew import measure_skew
from assets.evaluation.assets import evaluation
from assets.evaluation.evaluate_version import questions_of
from assets.evaluation.whole_histories import WholeHistoryScorer
from assets.privacy.forget import forget
from assets.privacy.person import Person
from assets.privacy.proof import search
from assets.ranking.assets import ranking_set
from assets.ranking.ranking_set import RankingSetSettings
from assets.release.assets import ReleaseRun, release
from assets.release.settings import ReleaseSettings
from assets.resources import RayCluster, Storage
from assets.sources.settings import open_source
from assets.training.assets import hstu_model
from assets.training.set_assets import training_set
from assets.training.simple_assets import simple_models
from assets.training.training_set import TrainingSetSettings
from assets.vectors.assets import user_item_vectors
from assets.vectors.settings import VectorsSettings
from assets.vectors.versions import has_vectors
from assets.versions import artifact_of, made_of_data, releases_of
from models.artifact import load_artifact
from models.evaluation.model_scorer import ModelScorer
from models.evaluation.report import VersionEvaluation
from models.interactions import Interactions
from models.manifest import read_manifest
from serving.api import build_api
from serving.settings import AppSettings
from serving.slot import ReleaseSlot
from storage.lake import Lake
from storage.schema import ITEM_VECTORS_TABLE, USER_VECTORS_TABLE
from tests.assets.argus.test_assets import ARGUS, ASKED, RANKING, TRAINING
from tests.assets.ranking.worlds import USERS, write_shop

BOTH = {"argus", "argus_towers"}
QUICK = {"epochs": 2, "batch_size": 8, "learning_rate": 0.01}
SETTINGS = TRAINING.model_validate(
    {
        "positive_actions": ["click"],
        "use_content": False,
        "validation_users": 3,
        "model": {"width": 8, "max_length": 8},
        "optimisation": {"epochs": 1, "batch_size": 8},
    }
)
GATE = ReleaseSettings(min_users=1)


def run(lake: Lake, instance: dg.DagsterInstance, *only: str, **config: dg.Config) -> dg.ExecuteInProcessResult:
    argus = {**ARGUS, "optimisation": {**ARGUS["optimisation"], "epochs": 2}}
    towers = {"scale": [{"factor": "clicked", "grade": 1}], "delay_hours": 0.0, "optimisation": QUICK}
    ours = [ranking_set, argus_backbone, user_item_towers, user_item_vectors]
    made = [*ours, training_set, hstu_model, simple_models, evaluation, release]
    return dg.materialize(
        made,
        instance=instance,
        selection=dg.AssetSelection.assets(*only) if only else None,
        resources={
            "lake": Storage(root=lake.root),
            "training": SETTINGS,
            "argus": ArgusSettings.model_validate({**argus, "towers": towers, "release": True}),
            "evaluation": ASKED,
            "set_settings": TrainingSetSettings.of(SETTINGS, ASKED),
            "ranking_set_settings": RankingSetSettings.of(RANKING, ASKED, SETTINGS),
            "ray": RayCluster(mode="inline"),
            "release": GATE,
            "vectors": VectorsSettings(),
            "source": open_source(
                {"kind": "files", "events": {"path": "unread.csv"}},
                landing=str(lake.folder("landing")),
                first_day=date(2026, 1, 1),
            ),
        },
        run_config=dg.RunConfig(ops=config),
    )


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lake, dg.DagsterInstance]]:
    lake = Lake(str(tmp_path_factory.mktemp("shop") / "lake"))
    write_shop(lake, days=2)
    with dg.instance_for_test() as instance:
        assert run(lake, instance).success
        yield lake, instance


def versions(lake: Lake) -> dict[str, str]:
    """The night's version of each family of ours."""
    return {
        name: next(lake.folder(f"artifacts/{name}").glob("[!.]*")).name
        for name in ("hstu", *sorted(BOTH), "popularity")
    }


def test_a_night_on_which_argus_fails_is_decided_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise MemoryError("no memory is left")

    monkeypatch.setattr("models.argus.model.Argus.view", fails)
    lake = Lake(str(tmp_path / "lake"))
    write_shop(lake, days=2)
    with dg.instance_for_test() as instance:
        result = run(lake, instance)
        assert result.success
        skipped = {
            name: str(result.asset_materializations_for_node(name)[0].metadata["skipped"].value)
            for name in ("argus_backbone", "user_item_towers")
        }
        assert all(why.endswith("no memory is left") for why in skipped.values())
    decided = releases_of(lake).champion()
    assert decided
    assert not BOTH & set(VersionEvaluation.read(next(lake.folder("artifacts/hstu").glob("[!.]*"))).contestants)


def test_they_are_asked_what_the_others_are_asked(night: tuple[Lake, dg.DagsterInstance]) -> None:
    lake, _ = night
    ours = versions(lake)
    found = VersionEvaluation.read(artifact_of(lake, ours["hstu"]))
    assert set(found.contestants) >= BOTH
    assert found.left_out == {}
    assert {protocol: report.users > 0 for protocol, report in found.protocols.items()} == {
        "time": True,
        "leave_one_out": True,
    }
    for report in found.protocols.values():
        told = {name: measure.mean for name in BOTH if (measure := report.measure(name, "ndcg@10"))}
        assert set(told) == BOTH
        assert all(np.isfinite(value) and value > 0 for value in told.values())
        assert report.paired_difference("argus", "popularity", "ndcg@10") is not None
        assert set(report.staleness) == set(found.contestants) - {"popularity"}
    decided = releases_of(lake).champion()
    assert decided in {contestant.version for contestant in found.contestants.values()}


def test_nothing_is_read_that_was_not_known_when_what_is_asked_for_was_shown(
    night: tuple[Lake, dg.DagsterInstance],
) -> None:
    """All actions on an item have ended within three seconds, and the next is shown after an hour."""
    lake, _ = night
    hstu, argus = (load_artifact(artifact_of(lake, versions(lake)[name])) for name in ("hstu", "argus"))
    questions = questions_of(lake, hstu)
    model = ModelScorer("argus", argus, hstu.vocabulary)
    cutoff_ms = int(hstu.manifest.cutoff.timestamp() * 1000)
    scorer = WholeHistoryScorer.of(model, lake.interactions(), questions.cases.values(), cutoff_ms)
    day_ms, hour_ms = 86_400_000, 3_600_000
    for protocol, cases in questions.cases.items():
        for user, moment in zip(cases.user_ids, cases.request_times.tolist(), strict=True):
            history = scorer.histories.take(np.array([scorer.places[user, moment]]))
            # Of the first day all is known to whoever is asked on the second; else what was shown in the hours before.
            known = 8 if protocol == "time" else moment % day_ms // hour_ms - 1
            assert len(history.timestamps) == known
            assert history.timestamps.max() < min(moment - 3000, cutoff_ms)
        scores = scorer.score(cases)
        assert scores.shape == (len(cases), len(hstu.vocabulary) + 1)
        assert np.array_equal(scorer.score(cases.stale(0)), scores)
        assert not np.array_equal(scorer.score(cases.stale(10 * day_ms)), scores), "old states know what was hidden"


def test_versions_of_other_data_are_no_rivals(night: tuple[Lake, dg.DagsterInstance]) -> None:
    lake, _ = night
    like = read_manifest(artifact_of(lake, versions(lake)["hstu"]))
    assert set(made_of_data(lake, like)) == BOTH
    for other in (
        {"held_out_users": 7},
        {"repeats": not like.repeats},
        {"cutoff": like.data_end},
        {"table_versions": {"sequences": 99}},
    ):
        assert made_of_data(lake, like.model_copy(update=other)) == {}


@pytest.mark.parametrize("family", sorted(BOTH))
def test_one_is_promoted_served_and_rolled_back(night: tuple[Lake, dg.DagsterInstance], family: str) -> None:
    lake, instance = night
    ours, releases, slot = versions(lake), releases_of(lake), ReleaseSlot()

    def serve() -> None:
        slot.replace(champion_release(lake, "shop").model_dump(mode="json"))
        assert slot.status().last_error is None
        releases.served(str(slot.status().version))

    for version in (ours["popularity"], ours[family]):
        again = {"release": ReleaseRun(version=version, force_reason="it is asked for")}
        if version != releases.champion():
            assert run(lake, instance, "release", **again).success
        serve()
    status = slot.status()
    assert (status.version, status.family) == (ours[family], family)
    held = slot.get()
    with TestClient(build_api(slot, AppSettings())) as http:
        answer = http.post("/v1/recommendations", json={"user_id": USERS[3], "k": 12, "exclude_seen": False}).json()
    history = held.histories.of(USERS[3])
    assert isinstance(history, Interactions)
    assert len(history.timestamps) == 16, "everything that was shown is read"
    assert (answer["source"], answer["family"], answer["history_length"]) == ("model", family, 16)
    assert len(answer["items"]) == 13 - 1
    skew = measure_skew(replace(lake, family="hstu"), ours[family])
    assert skew["changed_share"].item() == 0
    assert releases.rollback("it is worse") == ours["popularity"]
    serve()
    assert slot.status().family == "popularity"


def test_the_nightly_batch_is_of_the_version_that_answers(night: tuple[Lake, dg.DagsterInstance]) -> None:
    lake, instance = night
    towers = versions(lake)["argus_towers"]
    users, items = (
        lake.scan(table).filter(version=towers).collect() for table in (USER_VECTORS_TABLE, ITEM_VECTORS_TABLE)
    )
    assert not has_vectors(artifact_of(lake, versions(lake)["popularity"]))
    latest = instance.get_latest_materialization_event(dg.AssetKey("user_item_vectors"))
    assert latest is not None
    assert latest.asset_materialization is not None
    told = latest.asset_materialization.metadata
    assert (told["argus_towers_version"].value, told["argus_towers_space"].value) == (towers, towers)
    assert sorted(users["user_id"]) == sorted(USERS)
    assert users["interactions"].unique().to_list() == [16]
    assert items.height == 13
    if releases_of(lake).champion() != towers:
        again = {"release": ReleaseRun(version=towers, force_reason="it is asked for")}
        assert run(lake, instance, "release", **again).success
    config = champion_release(lake, "shop")
    assert config.user_vectors is not None
    answers = []
    for given in (config, config.model_copy(update={"user_vectors": None})):
        slot = ReleaseSlot()
        slot.replace(given.model_dump(mode="json"))
        with TestClient(build_api(slot, AppSettings())) as http:
            body = {"user_id": USERS[3], "k": 12, "exclude_seen": False}
            answers.append(http.post("/v1/recommendations", json=body).json())
    batch, live = answers
    assert (batch["from_batch"], live["from_batch"]) == (True, False)
    assert [item["item_id"] for item in batch["items"]] == [item["item_id"] for item in live["items"]]
    scores = [[item["score"] for item in answer["items"]] for answer in answers]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)
    vector = np.array(users.filter(user_id=USERS[3])["vector"][0])
    of_item = {row["item_id"]: np.array(row["vector"]) for row in items.iter_rows(named=True)}
    assert scores[0][0] == pytest.approx(float(vector @ of_item[batch["items"][0]["item_id"]]), abs=1e-5)
    releases_of(lake).promote(versions(lake)["popularity"], "for a night", "{}", towers)
    assert champion_release(lake, "shop").user_vectors is None


def test_a_person_who_is_forgotten_has_no_vector(night: tuple[Lake, dg.DagsterInstance]) -> None:
    lake, _ = night
    person = Person.named(USERS[5], "string")
    forget(lake, person, "a letter")
    left = lake.scan(USER_VECTORS_TABLE).collect()
    assert set(left["user_id"]) == set(USERS) - {USERS[5]}
    assert USERS[5] not in left["user_id"].to_list()
    assert search(Path(lake.uri(USER_VECTORS_TABLE)), person).found == []
