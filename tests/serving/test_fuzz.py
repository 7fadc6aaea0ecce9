"""Whatever is asked, a valid request is answered or its item not known, and an invalid one refused with a reason."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.api import build_api
from serving.schema import EARLIEST_MS, LATEST_MS, MAX_ID_LENGTH, MAX_K, RecommendationRequest, SimilarRequest
from serving.settings import AppSettings, ReleaseConfig
from serving.slot import ReleaseSlot

RECOMMENDATIONS, SIMILAR = "/v1/recommendations", "/v1/similar"
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def http(config: ReleaseConfig) -> Iterator[TestClient]:
    slot = ReleaseSlot()
    slot.replace(config.model_dump(mode="json"))
    with TestClient(build_api(slot, AppSettings()), raise_server_exceptions=False) as client:
        yield client


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=MAX_ID_LENGTH)
ids = st.one_of(st.sampled_from([1, 2, "3", 100, "100", 200]), st.integers(-(10**30), 10**30), texts)
moments = st.integers(EARLIEST_MS, LATEST_MS)
ks = st.integers(1, MAX_K)


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    items = draw(st.lists(ids, max_size=8))
    if draw(st.booleans()):
        return [{"item_id": item} for item in items]
    times = sorted(draw(st.lists(moments, min_size=len(items), max_size=len(items))))
    return [{"item_id": item, "timestamp": time} for item, time in zip(items, times, strict=True)]


options = {
    "k": ks,
    "exclude_seen": st.booleans(),
    "exclude_items": st.lists(ids, max_size=5),
    "category": st.one_of(st.sampled_from(["even", "odd"]), texts, st.none()),
    "at": st.one_of(moments, st.none()),
}
valid = st.one_of(
    st.fixed_dictionaries({"user_id": ids}, optional=options),
    st.fixed_dictionaries({"history": histories()}, optional=options),
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
fields = ["user_id", "history", "k", "at", "category", "exclude_items", "exclude_seen", "item_id"]
odd = st.one_of(anything, st.dictionaries(st.sampled_from(fields), st.one_of(anything, ids, moments), max_size=4))


def check_answer(http: TestClient, path: str, body: Any) -> int:
    response = http.post(path, content=json.dumps(body).encode(), headers=JSON)
    answer = response.json()
    if response.status_code != 200:
        assert isinstance(answer["detail"], str)
        assert answer["detail"]
    return response.status_code


@settings(max_examples=150)
@given(body=valid)
def test_every_valid_request_is_answered_unless_its_category_is_unknown(http: TestClient, body: dict[str, Any]) -> None:
    status = check_answer(http, RECOMMENDATIONS, body)
    assert status == 200 or (status == 404 and body["category"] not in ("even", "odd", None))


@settings(max_examples=50)
@given(body=st.fixed_dictionaries({"item_id": ids}, optional={"k": ks}))
def test_similar_items_are_found_or_the_item_is_not_known(http: TestClient, body: dict[str, Any]) -> None:
    assert check_answer(http, SIMILAR, body) in (200, 404)


@settings(max_examples=150)
@given(path=st.sampled_from([RECOMMENDATIONS, SIMILAR]), body=odd)
def test_an_invalid_request_is_refused_with_a_reason(http: TestClient, path: str, body: Any) -> None:
    model = RecommendationRequest if path == RECOMMENDATIONS else SimilarRequest
    try:
        model.model_validate_json(json.dumps(body))
        allowed = {200, 404}
    except (ValidationError, ValueError):
        allowed = {400, 422}
    assert check_answer(http, path, body) in allowed


@settings(max_examples=50)
@given(raw=st.binary(max_size=300))
def test_bytes_that_are_no_request_are_refused_with_a_reason(http: TestClient, raw: bytes) -> None:
    response = http.post(RECOMMENDATIONS, content=raw, headers=JSON)
    assert response.status_code in (400, 422)
    assert response.json()["detail"]


@pytest.mark.parametrize("year_ms", [3_976_214_400_000, LATEST_MS])
@pytest.mark.parametrize("who", [{"user_id": 100}, {"history": [{"item_id": 1}]}])
def test_a_moment_long_after_the_history_is_answered_by_the_model(http: TestClient, who: Any, year_ms: int) -> None:
    answer = http.post(RECOMMENDATIONS, json={**who, "at": year_ms}).json()
    assert (answer["source"], answer["reason"]) == ("model", None)


def test_a_history_of_more_than_68_years_is_answered_by_the_model(http: TestClient) -> None:
    history = [{"item_id": 1, "timestamp": EARLIEST_MS}, {"item_id": 2, "timestamp": 3_976_214_400_000}]
    answer = http.post(RECOMMENDATIONS, json={"history": history}).json()
    assert (answer["source"], answer["history_length"]) == ("model", 2)
