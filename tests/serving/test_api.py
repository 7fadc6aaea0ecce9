import json
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from models.config.model import HstuConfig, ModelConfig
from models.families.registry import build
from models.inference import score
from models.interactions import Interactions
from serving.admission import AdmissionSettings
from serving.api import build_api
from serving.door import DoorSettings
from serving.schema import MAX_EXCLUDED, MAX_HISTORY, MAX_ID_LENGTH, RecommendationRequest
from serving.settings import AppSettings
from serving.slot import ReleaseSlot
from tests.serving.world import World

RECOMMENDATIONS = "/v1/recommendations"
JSON = {"content-type": "application/json"}


def ask(http: TestClient, **body: Any) -> dict[str, Any]:
    response = http.post(RECOMMENDATIONS, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def ids(answer: dict[str, Any]) -> list[int]:
    return [item["item_id"] for item in answer["items"]]


def test_a_known_user_gets_unseen_available_items_by_model_score(http: TestClient) -> None:
    answer = ask(http, user_id=100, k=500)
    assert answer["source"] == "model"
    assert answer["reason"] is None
    assert (answer["version"], answer["family"]) == ("v1", "hstu")
    assert answer["history_length"] == 3
    assert sorted(ids(answer)) == list(range(4, 12)), "1-3 are seen, 12 is not available before 2100"
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert {item["item_id"]: item["title"] for item in answer["items"]}[4] == "Item 4"


def test_seen_items_come_back_when_asked_for(http: TestClient) -> None:
    assert sorted(ids(ask(http, user_id=100, k=500, exclude_seen=False))) == list(range(1, 12))


def test_a_version_made_for_people_who_come_back_lists_what_they_know(world: World) -> None:
    slot = ReleaseSlot()
    slot.replace(world.release("v1", repeats=True).model_dump(mode="json"))
    with TestClient(build_api(slot, AppSettings())) as http:
        assert sorted(ids(ask(http, user_id=100, k=500))) == list(range(1, 12))
        assert sorted(ids(ask(http, user_id=100, k=500, exclude_seen=True))) == list(range(4, 12))


def test_filters_combine(http: TestClient) -> None:
    answer = ask(http, user_id=100, category="even", exclude_items=[6, "8", "no such item"])
    assert sorted(ids(answer)) == [4, 10]
    assert answer["items"][0]["categories"] == ["even"]


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ({"user_id": 7}, "user 7"),
        ({"user_id": "somebody"}, "user 'somebody'"),
        ({"user_id": 200}, "user 200"),
        ({"user_id": 300}, "holds no item that version v1 knows"),
        ({"history": []}, "is empty"),
        ({"history": [{"item_id": 999}]}, "holds no item that version v1 knows"),
    ],
)
def test_popularity_answers_where_there_is_no_history_and_says_so(
    http: TestClient, who: dict[str, Any], reason: str
) -> None:
    answer = ask(http, k=3, **who)
    assert answer["source"] == "popularity"
    assert reason in answer["reason"]
    assert ids(answer) == [11, 10, 9], "item i has popularity i, and 12 is not available yet"
    assert [item["score"] for item in answer["items"]] == [11.0, 10.0, 9.0]
    assert answer["history_length"] == 0


def test_an_explicit_history_equals_the_stored_one(http: TestClient) -> None:
    stored = ask(http, user_id=100, k=20)
    start = 1_767_225_600_000
    history = [{"item_id": i + 1, "timestamp": start + i * 3_600_000} for i in range(3)]
    assert ask(http, history=history, k=20) == stored
    as_text = [{**item, "item_id": str(item["item_id"])} for item in history]
    assert ask(http, history=as_text, k=20) == stored


def test_only_the_history_until_the_asked_moment_is_read(http: TestClient) -> None:
    start = 1_767_225_600_000
    answer = ask(http, user_id=100, at=start + 3_600_000, k=20)
    assert answer["history_length"] == 2
    assert 3 in ids(answer)
    nothing_yet = ask(http, user_id=100, at=start - 1)
    assert nothing_yet["reason"] == "the history of user 100 up to then holds no item that version v1 knows"
    assert nothing_yet["items"] == [], "no item was available then"


def test_the_wall_clock_does_not_tell_the_model_of_years_of_silence(http: TestClient, slot: ReleaseSlot) -> None:
    latest = slot.get().histories.latest
    assert latest is not None
    a_day_later = ask(http, user_id=100, at=latest + 24 * 3_600_000)
    assert ask(http, user_id=100) == a_day_later
    assert ask(http, user_id=100, at=latest + 1) != a_day_later


def test_the_model_reads_no_more_than_its_length(http: TestClient) -> None:
    assert ask(http, history=[{"item_id": i} for i in range(1, 9)])["history_length"] == 4


def test_similar_items_leave_out_the_item_itself(http: TestClient) -> None:
    answer = http.post("/v1/similar", json={"item_id": "3", "k": 500}).json()
    assert (answer["item"]["title"], answer["family"]) == ("Item 3, renamed", "hstu")
    assert sorted(item["item_id"] for item in answer["items"]) == [i for i in range(1, 12) if i != 3]
    assert all(-1.001 <= item["score"] <= 1.001 for item in answer["items"])


def test_status_tells_what_is_served(http: TestClient, slot: ReleaseSlot) -> None:
    status = http.get("/v1/status").json()
    assert (status["version"], status["family"], status["items"], status["users"]) == ("v1", "hstu", 12, 2)
    assert status["data_cutoff"] == "2026-01-08T00:00:00Z"
    assert status["release"] == status["desired_release"] == slot.get().config.fingerprint
    assert http.get("/healthz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "either user_id or history"),
        ({"user_id": 1, "history": []}, "either user_id or history"),
        ({"user_id": 1, "k": 0}, "k: Input should be greater than or equal to 1"),
        ({"user_id": 1, "k": 501}, "k: Input should be less than or equal to 500"),
        ({"user_id": 1, "k": "10"}, "k: Input should be a valid integer"),
        ({"user_id": 1, "k": 2.5}, "k: Input should be a valid integer"),
        ({"user_id": 1, "k": True}, "k: Input should be a valid integer"),
        ({"user_id": 1, "limit": 3}, "limit: Extra inputs are not permitted"),
        ({"user_id": True}, "user_id"),
        ({"user_id": 1.0}, "user_id"),
        ({"user_id": [1]}, "user_id"),
        ({"user_id": ""}, "1 to 512 characters"),
        ({"user_id": "x" * 513}, "1 to 512 characters"),
        ({"user_id": 1, "exclude_seen": "yes"}, "exclude_seen"),
        ({"user_id": 1, "category": 3}, "category"),
        ({"user_id": 1, "exclude_items": "5"}, "exclude_items"),
        ({"history": [1, 2]}, "history.0"),
        ({"history": [{"item_id": 1, "when": 3}]}, "history.0.when: Extra inputs"),
        ({"history": [{"item_id": 1, "timestamp": 1_767_225_600}]}, "history.0.timestamp"),
        ({"history": [{"item_id": 1, "timestamp": 1_767_225_600_000_000}]}, "history.0.timestamp"),
        ({"history": [{"item_id": 1, "timestamp": 1_767_225_600_000}, {"item_id": 2}]}, "with every item or with none"),
        (
            {"history": [{"item_id": i, "timestamp": 1_767_225_600_000 - i} for i in (1, 2)]},
            "timestamps must ascend",
        ),
        ([], "body"),
        ("text", "body"),
    ],
)
def test_bad_requests_are_refused_with_a_reason(http: TestClient, body: Any, reason: str) -> None:
    response = http.post(RECOMMENDATIONS, json=body)
    assert response.status_code == 422
    assert reason in response.json()["detail"]


@pytest.mark.parametrize(
    "raw", [b"{", b"\xff\xfe", b'{"user_id": 1', b"[" * 4000, b'{"user_id": ' + b"9" * 4000 + b"}", b"null", b""]
)
def test_what_is_not_json_is_refused(http: TestClient, raw: bytes) -> None:
    response = http.post(RECOMMENDATIONS, content=raw, headers=JSON)
    assert response.status_code in (400, 422)
    assert response.json()["detail"]


def test_half_a_surrogate_is_refused(http: TestClient) -> None:
    raw = b'{"user_id": "\\ud800"}'
    assert http.post(RECOMMENDATIONS, content=raw, headers=JSON).status_code == 422
    raw = b'{"user_id": 1, "\\ud800": 1}'
    assert http.post(RECOMMENDATIONS, content=raw, headers=JSON).status_code == 422
    raw = b'{"user_id": 1, "category": "\\ud800"}'
    assert http.post(RECOMMENDATIONS, content=raw, headers=JSON).status_code in (404, 422)


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_other_media_than_json_are_refused(http: TestClient, media: str) -> None:
    response = http.post(RECOMMENDATIONS, content=b'{"user_id": 1}', headers={"content-type": media})
    assert response.status_code == 415
    assert "application/json" in response.json()["detail"]


def test_json_with_a_charset_is_accepted(http: TestClient) -> None:
    headers = {"content-type": "application/json; charset=utf-8"}
    assert http.post(RECOMMENDATIONS, content=b'{"user_id": 100}', headers=headers).status_code == 200


def test_a_body_over_the_limit_is_refused_declared_or_chunked(http: TestClient) -> None:
    long = b'{"user_id": 100' + b" " * 4096 + b"}"
    assert http.post(RECOMMENDATIONS, content=long, headers=JSON).status_code == 413

    def chunks() -> Iterator[bytes]:
        yield from (long[i : i + 512] for i in range(0, len(long), 512))

    response = http.post(RECOMMENDATIONS, content=chunks(), headers=JSON)
    assert response.status_code == 413
    assert "4096 bytes" in response.json()["detail"]
    short = (b'{"user_id": 100', b"}")
    assert http.post(RECOMMENDATIONS, content=iter(short), headers=JSON).status_code == 200


def test_the_longest_valid_request_is_no_longer_than_the_limits() -> None:
    history = [{"item_id": "i" * MAX_ID_LENGTH, "timestamp": 1_700_000_000_000}] * MAX_HISTORY
    excluded = [f"{number:0{MAX_ID_LENGTH}}" for number in range(MAX_EXCLUDED)]
    body = json.dumps({"history": history, "exclude_items": excluded}, indent=4).encode()
    RecommendationRequest.model_validate_json(body)
    assert len(body) <= min(AppSettings().body_limit_bytes, DoorSettings().body_limit_bytes)


def test_unknown_items_categories_and_paths_are_404(http: TestClient) -> None:
    response = http.post("/v1/similar", json={"item_id": 999})
    assert (response.status_code, response.json()["detail"]) == (404, "item 999 is not known to version v1")
    response = http.post(RECOMMENDATIONS, json={"user_id": 100, "category": "evne"})
    assert response.status_code == 404
    assert response.json()["detail"].endswith("there are: even, new, odd")
    for method, path, status, what in (
        ("GET", "/v2/status", 404, "Not Found"),
        ("GET", RECOMMENDATIONS, 405, "Method Not Allowed"),
        ("DELETE", "/v1/status", 405, "Method Not Allowed"),
    ):
        response = http.request(method, path)
        assert response.status_code == status
        assert response.json()["detail"] == f"{method} {path}: {what}; /docs lists what there is"
    assert http.get(RECOMMENDATIONS).headers["allow"] == "POST"


def test_a_fault_of_the_endpoint_is_told_in_json(http: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError("/secret/path")

    monkeypatch.setattr("serving.recommend._shelf", fail)
    response = http.post(RECOMMENDATIONS, json={"user_id": 100})
    assert (response.status_code, response.headers["content-type"]) == (500, "application/json")
    assert response.json()["detail"] == "the endpoint failed on this request (MemoryError): its log says more"


def test_a_replica_lets_no_more_in_than_it_can_bear(slot: ReleaseSlot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing stands before Serve's proxy, it is the replica that refuses."""
    go, began = threading.Event(), threading.Semaphore(0)

    def wait(*_: object) -> None:
        began.release()
        go.wait(20)

    monkeypatch.setattr("serving.recommend._shelf", wait)
    settings = AppSettings(admission=AdmissionSettings(at_once=2, waiting=1, longest_wait_s=60))
    with TestClient(build_api(slot, settings), raise_server_exceptions=False) as http, ThreadPoolExecutor(4) as pool:
        busy = [pool.submit(http.post, RECOMMENDATIONS, json={"user_id": 100}) for _ in range(2)]
        began.acquire(timeout=10)
        began.acquire(timeout=10)
        both = [pool.submit(http.post, RECOMMENDATIONS, json={"user_id": 100}) for _ in range(2)]
        done, waiting = wait_for(both, timeout=20, return_when=FIRST_COMPLETED)
        refused = done.pop().result()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert "too many, try again later" in refused.json()["detail"]
        assert http.get("/healthz").json() == {"status": "ok"}
        assert http.get("/v1/status").status_code == 200
        go.set()
        assert {answer.result().status_code for answer in [*busy, *waiting]} == {500}


def test_nothing_is_answered_before_the_first_release() -> None:
    with TestClient(build_api(ReleaseSlot(), AppSettings())) as http:
        for response in (http.post(RECOMMENDATIONS, json={"user_id": 1}), http.get("/healthz")):
            assert response.status_code == 503
            assert "still being loaded" in response.json()["detail"]
        assert http.get("/v1/status").json()["version"] is None


def test_string_ids_are_answered_as_strings(world: World) -> None:
    slot = ReleaseSlot()
    slot.replace(world.release("v1", id_type=str).model_dump(mode="json"))
    with TestClient(build_api(slot, AppSettings())) as http:
        by_number, by_text = ask(http, user_id=100), ask(http, user_id="100")
        assert by_number == by_text
        assert by_number["source"] == "model"
        assert all(isinstance(item["item_id"], str) for item in by_number["items"])


def test_the_documentation_shows_examples(http: TestClient) -> None:
    schema = http.get("/openapi.json").json()
    assert schema["components"]["schemas"]["RecommendationRequest"]["examples"]
    assert set(schema["paths"]) == {"/v1/recommendations", "/v1/similar", "/v1/vectors", "/v1/status", "/healthz"}
    assert http.get("/docs").status_code == 200


def test_the_request_after_a_swap_sees_the_new_release(http: TestClient, slot: ReleaseSlot, world: World) -> None:
    before = ask(http, user_id=100)
    slot.replace(world.release("v2", seed=1).model_dump(mode="json"))
    after = ask(http, user_id=100)
    assert (before["version"], after["version"]) == ("v1", "v2")
    assert [item["score"] for item in before["items"]] != [item["score"] for item in after["items"]]


@pytest.mark.parametrize("projected", [False, True])
def test_the_endpoint_scores_as_the_offline_path_does(
    http: TestClient, slot: ReleaseSlot, world: World, projected: bool
) -> None:
    if projected:
        shape = ModelConfig(width=8, max_length=4, decoding_width=3, backbone=HstuConfig(layers=1, heads=1, head_dim=8))
        slot.replace(world.of_model("v2", build(shape, world.items), ["like"]).model_dump(mode="json"))
        assert slot.get().artifact.retrieval_vectors.shape[1] == 3
    start = 1_767_225_600_000
    at = start + 5 * 3_600_000
    history = Interactions.of([([1, 2, 3], [start, start + 3_600_000, start + 7_200_000])])
    scores = score(slot.get().artifact, history, np.array([at]))[0].tolist()
    expected = sorted(((scores[row], row) for row in range(4, 12)), reverse=True)
    answer = ask(http, user_id=100, at=at, k=20)
    assert [(item["score"], item["item_id"]) for item in answer["items"]] == expected
