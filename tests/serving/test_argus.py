"""ARGUS and its two towers behind the same HTTP interface: they read all that happened, views and skips included."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient

from models.argus.config import ColumnConfig
from models.argus.model import Argus
from models.argus.two_towers import TwoTowers
from models.artifact import Artifact
from models.columns import ACTIONS, STARTED, SURFACE
from models.golden import TOLERANCE
from models.interactions import Interactions
from models.manifest import Space
from models.space import StableSpace, keep_space, read_space
from models.stable_space import Maps
from serving.api import build_api
from serving.history import histories_of
from serving.settings import AppSettings, VectorsBatch
from serving.slot import ReleaseSlot
from tests.models.argus.worlds import config, enlarged, towers_config
from tests.serving.world import START, World

SHAPE: dict[str, Any] = {
    # The version knew the log's actions in another order, and one that the log has no longer.
    "actions": ("share", "like", "view"),
    "columns": (ColumnConfig(name=SURFACE, role="context", values=("search", "home")),),
    "factors": ({"name": "like", "action": "like"},),
}
MODELS = {
    "argus": lambda items: Argus(config(**SHAPE), items),
    "argus_towers": lambda items: TwoTowers(towers_config(**SHAPE), items),
}


@pytest.fixture(params=MODELS)
def slot(world: World, request: pytest.FixtureRequest) -> ReleaseSlot:
    slot = ReleaseSlot()
    model = enlarged(MODELS[request.param](world.items).eval())
    slot.replace(world.of_model("v1", model, positive_actions=["like"]).model_dump(mode="json"))
    assert slot.status().last_error is None
    return slot


@pytest.fixture
def http(slot: ReleaseSlot) -> Iterator[TestClient]:
    with TestClient(build_api(slot, AppSettings()), raise_server_exceptions=False) as client:
        yield client


def ask(http: TestClient, **body: Any) -> dict[str, Any]:
    response = http.post("/v1/recommendations", json={"k": 20, **body})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_views_are_read_and_only_what_was_chosen_counts_as_seen(slot: ReleaseSlot, http: TestClient) -> None:
    answer = ask(http, user_id=100)
    assert (answer["source"], answer["history_length"]) == ("model", 4)
    assert {item["item_id"] for item in answer["items"]} == set(range(4, 12))
    viewer = ask(http, user_id=200)
    assert (viewer["source"], viewer["history_length"]) == ("model", 1)
    assert len(viewer["items"]) == 11
    assert ask(http, user_id=300)["source"] == "popularity"
    assert slot.status().model_failures == 0


def test_the_endpoint_scores_as_the_offline_path_does(slot: ReleaseSlot, http: TestClient) -> None:
    artifact = slot.get().artifact
    times = [int(START.timestamp() * 1000) + hour * 3_600_000 for hour in range(4)]
    history = Interactions.of([([1, 2, 3, 4], times)]).with_columns(
        # In the order of the version's bits: like; view and like; like; view.
        {ACTIONS: np.array([2, 6, 2, 4]), STARTED: np.array(times)}
    )
    at = times[-1] + 1000
    scores = artifact.family.score(artifact, history, np.array([at]))[0]
    answer = ask(http, user_id=100, exclude_seen=False, at=at)
    assert len(answer["items"]) == 11
    for item in answer["items"]:
        assert item["score"] == pytest.approx(float(scores[item["item_id"]]), abs=TOLERANCE / 10)
    blind = artifact.family.score(artifact, history.with_columns({ACTIONS: np.array([2, 6, 2, 2])}), np.array([at]))[0]
    assert not np.allclose(blind[1:], scores[1:], atol=1e-4)


def test_a_given_history_is_what_was_chosen(http: TestClient, slot: ReleaseSlot) -> None:
    at = int(START.timestamp() * 1000)
    answer = ask(http, history=[{"item_id": 5, "timestamp": at}], at=at + 1)
    assert (answer["source"], answer["family"]) == ("model", slot.get().artifact.family.name)
    assert 5 not in {item["item_id"] for item in answer["items"]}
    artifact = slot.get().artifact
    liked = Interactions.of([([5], [at])]).with_columns({ACTIONS: np.array([2])})
    scores = artifact.family.score(artifact, liked, np.array([at + 1]))[0]
    assert answer["items"][0]["score"] == pytest.approx(float(scores[answer["items"][0]["item_id"]]), abs=1e-4)


def test_what_the_version_was_never_told_of_is_not_there(slot: ReleaseSlot) -> None:
    release = slot.get()
    held = histories_of(release.config.sequences.open({}), release.artifact)
    assert held.chosen_bits == 2
    history = held.of(100)
    assert history is not None
    assert history.column(ACTIONS).tolist() == [2, 6, 2, 4]
    assert set(history.column(SURFACE).tolist()) == {-1}


def batch(world: World, slot: ReleaseSlot, **more: Any) -> None:
    """Vectors of all users, which differ from the live ones by their sign, so that one can tell who answers."""
    artifact = slot.get().artifact
    held = histories_of(slot.get().config.sequences.open({}), artifact)
    users = [100, 200]
    histories = Interactions.concatenated([found for user in users if (found := held.of(user)) is not None])
    space = read_space(slot.get().config.artifact) or a_space(slot.get().config.artifact, artifact)
    vectors = space.users(-artifact.model.users(histories).numpy())
    table = pl.DataFrame(
        {
            "batch": "tonight",
            "version": ["v1", "v1"],
            "user_id": users,
            "newest": pl.Series(histories.timestamps[histories.offsets[1:] - 1]).cast(pl.Datetime("ms", "UTC")),
            "interactions": histories.lengths,
            "vector": vectors.tolist(),
            **more,
        },
        schema_overrides={"vector": pl.List(pl.Float32)},
    )
    at = world.table("user_vectors", pl.concat([table, table.with_columns(batch=pl.lit("last night"))]))
    config = slot.get().config.model_copy(update={"user_vectors": VectorsBatch(**at.model_dump(), batch="tonight")})
    slot.replace(config.model_dump(mode="json"))


def a_space(folder: Path, artifact: Artifact) -> StableSpace:
    """Of any invertible maps, kept with the version."""
    by = np.random.default_rng(0).normal(size=(artifact.retrieval_vectors.shape[1],) * 2)
    record = Space(id="v0", towards="v0", canonical=True, change_of_scores=0.0)
    keep_space(folder, StableSpace(record, Maps(np.linalg.inv(by).T, by)))
    return StableSpace(record, Maps(np.linalg.inv(by).T, by))


@pytest.mark.parametrize("slot", ["argus_towers"], indirect=True)
def test_the_batch_answers_until_the_user_does_something(world: World, slot: ReleaseSlot, http: TestClient) -> None:
    live = {user: ask(http, user_id=user, exclude_seen=False) for user in (100, 200)}
    batch(world, slot)
    assert (slot.status().last_error, slot.status().user_vectors) == (None, 2)
    for user, answer in live.items():
        vector = ask(http, user_id=user, exclude_seen=False)
        assert (vector["from_batch"], answer["from_batch"]) == (True, False)
        scores = {item["item_id"]: item["score"] for item in answer["items"]}
        for item in vector["items"]:
            assert item["score"] == pytest.approx(-scores[item["item_id"]], abs=1e-4)
    before_the_last = int(START.timestamp() * 1000) + 2 * 3_600_000
    assert not ask(http, user_id=100, at=before_the_last)["from_batch"]
    assert not ask(http, history=[{"item_id": 5}])["from_batch"]
    assert ask(http, user_id=300)["source"] == "popularity"
    batch(world, slot, version=["v0", "v0"])
    assert slot.status().user_vectors == 0, "another version's are not this one's"
    # Somebody who has done something since is read live; so is one of whom something came late.
    for column, values in (("newest", [START, START]), ("interactions", [3, 2])):
        batch(world, slot, **{column: values})
        assert ask(http, user_id=100, exclude_seen=False) == live[100]


@pytest.mark.parametrize("slot", ["argus_towers"], indirect=True)
def test_vectors_that_do_not_belong_to_the_version_are_not_served(world: World, slot: ReleaseSlot) -> None:
    for more, why in (
        ({"vector": [[1.0], [2.0]]}, "a vector of version v1 is not 6 wide"),
        ({"vector": [None, [0.0] * 6]}, "column vector: 1 of 2 vectors are missing"),
        ({"vector": [[1.0], [0.0] * 6]}, "column vector: vectors of [1, 6] dimensions"),
        ({"vector": [[np.nan] * 6, [0.0] * 6]}, "a vector of version v1 is not finite"),
    ):
        batch(world, slot, **more)
        assert why in str(slot.status().last_error)
        assert slot.get().user_vectors is None
