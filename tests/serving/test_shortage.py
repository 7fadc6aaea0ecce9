"""An answer that is shorter than asked for says what became of the rest; what is gone or to come is in none."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.availability import PUT_ASIDE, WHOLE
from serving.api import build_api
from serving.settings import AppSettings, ReleaseConfig
from serving.slot import ReleaseSlot
from tests.serving.world import START, World

ITEMS = range(1, 13)
DAYS = [date(2026, 1, day) for day in (1, 2, 3, 4)]


def snapshots(world: World, there: list[list[int]], whole: list[bool], aside: dict[int, list[int]]) -> ReleaseConfig:
    """A release with a catalogue of some days, each of which names some items; others of that day were put aside."""
    rows = [
        (item, f"Item {item}", ["even" if item % 2 == 0 else "odd"], START, day)
        for day, items in zip(DAYS, there, strict=False)
        for item in items
    ]
    days = pl.DataFrame(
        {"day": DAYS[: len(there)], WHOLE: whole, PUT_ASIDE: [aside.get(place, []) for place in range(len(there))]},
        schema={"day": pl.Date, WHOLE: pl.Boolean, PUT_ASIDE: pl.List(pl.Int64)},
    )
    items = pl.DataFrame(rows, schema=world.catalogue(int).schema, orient="row")
    tables = {"items": world.table("items", items), "catalogue_days": world.table("catalogue_days", days)}
    return world.release("v1").model_copy(update=tables)


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Item 11, the most popular there is, is missing from the third day on; 5 was put aside then, 6 comes no more."""
    slot, world = ReleaseSlot(), World(tmp_path_factory.mktemp("world"))
    without = [item for item in ITEMS if item not in (5, 11, 12)]
    there = [list(ITEMS), list(ITEMS), [*without, 12], [item for item in [*without, 5, 12] if item != 6]]
    slot.replace(snapshots(world, there, [False, True, True, False], {2: [5]}).model_dump(mode="json"))
    with TestClient(build_api(slot, AppSettings())) as client:
        yield client


def ask(http: TestClient, path: str = "recommendations", **body: Any) -> dict[str, Any]:
    response = http.post(f"/v1/{path}", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def ids(answer: dict[str, Any]) -> list[int]:
    return sorted(item["item_id"] for item in answer["items"])


def test_what_the_last_whole_catalogue_lacks_is_in_no_answer(http: TestClient) -> None:
    """12 is listed; 5 was, in a row that could not be used; 6 is missing from a day that is not whole."""
    left = [item for item in ITEMS if item != 11]
    assert ids(ask(http, user_id=100, k=20, exclude_seen=False)) == left
    fallback = ask(http, user_id=7, k=20)
    assert (fallback["source"], ids(fallback)) == ("popularity", left)
    assert ids(ask(http, "similar", item_id=3, k=20)) == [item for item in left if item != 3]
    assert ids(ask(http, "similar", item_id=11, k=20)) == left


def test_a_request_for_an_earlier_moment_finds_what_was_there_then(http: TestClient) -> None:
    third = int((START + timedelta(days=2)).timestamp() * 1000)
    assert ids(ask(http, user_id=7, k=20, at=third - 1)) == list(ITEMS)
    assert 11 not in ids(ask(http, user_id=7, k=20, at=third))


def test_a_short_answer_counts_what_became_of_the_rest(http: TestClient) -> None:
    answer = ask(http, user_id=100, k=10, category="odd", exclude_items=[9, 4, 999])
    assert (ids(answer), answer["reason"]) == ([5, 7], None)
    shortage = answer["shortage"]
    assert shortage.pop("detail") == (
        "2 of 10 items: 12 are known, the others are: 1 no longer in the catalogue, 6 of other categories, "
        "2 in the history, 1 excluded"
    )
    counts = {"gone": 1, "not_available_yet": 0, "of_other_categories": 6, "seen": 2, "excluded": 1, "without_score": 0}
    assert shortage == {"known": 12} | counts
    assert ask(http, user_id=100, k=8)["shortage"] is None


def test_an_empty_answer_of_the_model_has_a_reason(http: TestClient) -> None:
    answer = ask(http, user_id=100, k=3, category="odd", exclude_items=[5, 7, 9])
    assert (answer["items"], answer["source"]) == ([], "model")
    assert answer["reason"] == answer["shortage"]["detail"]
    assert answer["reason"].startswith("0 of 3 items: 12 are known")
    before = ask(http, user_id=7, at=int(START.timestamp() * 1000) - 1)
    assert before["shortage"]["not_available_yet"] == 12


def test_neighbours_say_what_is_missing_too(http: TestClient) -> None:
    answer = ask(http, "similar", item_id=3, k=20)
    assert answer["shortage"]["detail"] == (
        "10 of 20 items: 12 are known, the others are: 1 no longer in the catalogue, 1 excluded"
    )
    assert ask(http, "similar", item_id=3, k=10)["shortage"] is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    k=st.integers(1, 20),
    user=st.sampled_from([100, 200, 300, 7]),
    category=st.sampled_from([None, "odd", "even"]),
    exclude=st.lists(st.integers(0, 14), max_size=12),
    seen=st.booleans(),
    hours=st.none() | st.integers(-1, 90),
)
def test_every_item_is_in_the_answer_or_counted_once(
    http: TestClient, k: int, user: int, category: str | None, exclude: list[int], seen: bool, hours: int | None
) -> None:
    at: dict[str, Any] = {} if hours is None else {"at": int((START + timedelta(hours=hours)).timestamp() * 1000)}
    body: dict[str, Any] = {
        "user_id": user,
        "k": k,
        "category": category,
        "exclude_items": exclude,
        "exclude_seen": seen,
    } | at
    answer = ask(http, **body)
    shortage = answer["shortage"]
    assert (shortage is None) == (len(answer["items"]) == k)
    if shortage is not None:
        counts = [count for cause, count in shortage.items() if cause not in ("detail", "known")]
        assert shortage["known"] == 12 == sum(counts) + len(answer["items"])


def test_a_lake_that_knows_of_no_days_keeps_everything(tmp_path: Path) -> None:
    slot, world = ReleaseSlot(), World(tmp_path)
    config = snapshots(world, [list(ITEMS), [1, 2]], [True, True], {}).model_copy(update={"catalogue_days": None})
    slot.replace(config.model_dump(mode="json"))
    assert slot.get().catalogue.available(int(START.timestamp() * 1000)).sum() == 12
