"""Simple models behind the same HTTP interface as every other."""

from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.interactions import Interactions
from serving.api import build_api
from serving.settings import AppSettings
from serving.slot import ReleaseSlot
from tests.models.fitted.worlds import CUTOFF_MS
from tests.serving.world import World

PERSONAL = ("item_knn", "ials")


def asked(world: World, family: str, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    slot = ReleaseSlot()
    slot.replace(world.simple("v1", family).model_dump(mode="json"))
    with TestClient(build_api(slot, AppSettings()), raise_server_exceptions=False) as http:
        response = http.post(f"/v1/{path}", json=body)
    return response.status_code, response.json()


@pytest.mark.parametrize("family", PERSONAL)
def test_a_history_is_answered_with_what_goes_with_it(world: World, family: str) -> None:
    history = [{"item_id": 5}, {"item_id": 6}]
    status, answer = asked(world, family, "recommendations", history=history, k=2, at=CUTOFF_MS)
    assert status == 200
    assert (answer["source"], answer["version"], answer["history_length"]) == ("model", "v1", 2)
    assert {item["item_id"] for item in answer["items"]} == {4, 7}


@pytest.mark.parametrize("family", [*PERSONAL, "popularity"])
def test_everybody_gets_the_same_of_popularity_and_whom_the_others_cannot_read_too(world: World, family: str) -> None:
    status, unknown = asked(World(world.root / "unknown"), family, "recommendations", user_id=987, k=3)
    assert (status, unknown["source"]) == (200, "popularity")
    if family == "popularity":
        _, known = asked(World(world.root / "known"), family, "recommendations", user_id=100, k=3, exclude_seen=False)
        assert (known["source"], known["history_length"]) == ("popularity", 0)
        assert known["items"] == unknown["items"]


@pytest.mark.parametrize("family", PERSONAL)
def test_the_endpoint_scores_as_the_offline_path_does(world: World, family: str) -> None:
    slot = ReleaseSlot()
    slot.replace(world.simple("v1", family).model_dump(mode="json"))
    artifact = slot.get().artifact
    times = [CUTOFF_MS - 2, CUTOFF_MS - 1]
    scores = artifact.family.score(artifact, Interactions.of([([2, 9], times)]), np.array([CUTOFF_MS]))[0]
    history = [{"item_id": item, "timestamp": time} for item, time in zip([2, 9], times, strict=True)]
    with TestClient(build_api(slot, AppSettings())) as http:
        answer = http.post("/v1/recommendations", json={"history": history, "k": 20, "at": CUTOFF_MS}).json()
    assert len(answer["items"]) == world.items - 3, "all but two that are seen and one that is announced for later"
    assert [item["score"] for item in answer["items"]] == [float(scores[item["item_id"]]) for item in answer["items"]]


def test_what_a_family_cannot_tell_is_refused_in_a_sentence(world: World) -> None:
    for place, family in enumerate(PERSONAL):
        status, answer = asked(World(world.root / str(place)), family, "similar", item_id=5, k=2)
        assert (status, {item["item_id"] for item in answer["items"]}) == (200, {4, 6})
    status, answer = asked(world, "popularity", "similar", item_id=5)
    assert status == 409
    assert answer["detail"].startswith(
        "version v1 is of the family popularity, which cannot tell which items are alike: "
    )
