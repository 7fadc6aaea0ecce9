"""A model that is broken is not served; one that fails on some requests is helped out by popularity."""

from collections.abc import Callable

import pytest
import torch
from fastapi.testclient import TestClient
from safetensors.torch import load_file, save_file
from torch import Tensor

from serving.settings import ReleaseConfig
from serving.slot import ReleaseSlot
from tests.serving.world import World

RECOMMENDATIONS = "/v1/recommendations"


def damaged(config: ReleaseConfig, file: str, damage: Callable[[str, Tensor], Tensor]) -> ReleaseConfig:
    path = config.artifact / file
    save_file({name: damage(name, value).contiguous() for name, value in load_file(path).items()}, path)
    return config


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("retrieval_vectors.safetensors", lambda _, value: value * 0, "every item the same score"),
        ("item_vectors.safetensors", lambda _, value: value[torch.randperm(len(value))], "not answer as it did"),
        ("item_vectors.safetensors", lambda _, value: value * 1e25, "is not finite, or too long"),
        ("model.safetensors", lambda _, value: value * 0, "not answer as it did"),
        ("model.safetensors", lambda _, value: value * 1e30, "must not be served"),
        ("model.safetensors", lambda name, value: value + 0.5, "not answer as it did"),
    ],
)
def test_a_broken_model_is_refused_in_a_sentence_and_the_old_one_keeps_serving(
    world: World, file: str, damage: Callable[[str, Tensor], Tensor], message: str
) -> None:
    slot = ReleaseSlot()
    slot.replace(world.release("good").model_dump(mode="json"))
    broken = damaged(world.release("broken", seed=3), file, damage)
    slot.replace(broken.model_dump(mode="json"))
    status = slot.status()
    assert (status.version, status.desired_version) == ("good", "broken")
    assert message in str(status.last_error)


def test_a_version_from_before_golden_requests_is_refused_in_a_sentence(world: World) -> None:
    config = world.release("old")
    (config.artifact / "golden.safetensors").unlink()
    slot = ReleaseSlot()
    slot.replace(config.model_dump(mode="json"))
    assert "golden.safetensors is missing: train it again" in str(slot.status().last_error)


def test_popularity_answers_what_the_model_fails_on_and_status_counts_it(
    http: TestClient, slot: ReleaseSlot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no such kernel")

    before = http.get("/v1/status").json()
    assert (before["model_failures"], before["last_failure"]) == (0, None)
    monkeypatch.setattr(slot.get().artifact.model.encoder, "forward", fail)
    for _ in range(3):
        answer = http.post(RECOMMENDATIONS, json={"user_id": 100, "k": 2})
        assert answer.status_code == 200
        body = answer.json()
        assert (body["source"], body["reason"]) == ("popularity", "version v1 failed on this history")
        assert [item["item_id"] for item in body["items"]] == [11, 10]
    assert http.post(RECOMMENDATIONS, json={"user_id": 7}).json()["source"] == "popularity"
    after = http.get("/v1/status").json()
    assert (after["model_failures"], after["last_failure"]) == (3, "RuntimeError: no such kernel")


def test_what_a_user_has_seen_stays_out_where_the_model_fails(
    http: TestClient, slot: ReleaseSlot, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = next(slot.get().artifact.model.encoder.parameters())
    monkeypatch.setattr(weight, "data", weight.data * float("nan"))
    body = http.post(RECOMMENDATIONS, json={"user_id": 100, "k": 500}).json()
    assert body["source"] == "popularity"
    assert not {1, 2, 3} & {item["item_id"] for item in body["items"]}
