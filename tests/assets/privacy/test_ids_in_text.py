"""An id is found whole in whatever text it stands, and is not found in a part of another."""

import csv
import io
import json
import re
import string

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.privacy.ids_in_text import LONGEST, ids_in, mention
from assets.privacy.suppressions import Forgotten, nobody, only, read_suppressions, suppress
from storage.lake import Lake

IDS = st.text(st.sampled_from('ab7|:=,;"\\/ ()[]{}<&.@é\U0001f600\n'), min_size=1, max_size=20).filter(
    lambda text: text.strip()
)
LETTERS = string.ascii_letters + string.digits + "_-"


def as_csv(user: str) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="").writerow([user, "i7"])
    return out.getvalue()


def as_json(user: str) -> str:
    return json.dumps({"user_id": user, "item_id": "i7"})[:-5]


WRITERS = {
    "first cell": lambda user: f"{user},i7",
    "last cell": lambda user: f"2026-01-01,{user}",
    "csv": as_csv,
    "json": as_json,
    "json, not ascii": lambda user: json.dumps({"user_id": user}, ensure_ascii=False)[:-1],
    "json, as browsers are given it": lambda user: as_json(user).replace("<", "\\u003C").replace("/", "\\/"),
    "json in json": lambda user: json.dumps({"payload": as_json(user)})[:-3],
}


def holds(forgotten: Forgotten, *texts: str) -> list[bool]:
    return forgotten.in_texts(pl.Series(texts, dtype=pl.String)).to_list()


@pytest.mark.parametrize("writer", WRITERS)
@given(user=IDS)
@settings(max_examples=60)
def test_an_id_is_found_however_it_is_written(writer: str, user: str) -> None:
    text = WRITERS[writer](user)
    assert holds(only(user, "string"), text) == [True]
    assert user in set(ids_in(text))
    assert re.search(mention(user), text)
    assert re.search(mention(user).encode(), text.encode())
    assert pl.Series([text]).str.contains(mention(user)).item()


@given(user=IDS, around=st.tuples(st.sampled_from(LETTERS), st.sampled_from(["", *LETTERS])))
def test_an_id_is_not_found_in_a_longer_one(user: str, around: tuple[str, str]) -> None:
    # With letters inside alone: other characters might part the longer one, and what is parted may be the id.
    user = "x" + re.sub("[^ab7]", "", user)
    other = user.join(around)
    assert holds(only(user, "string"), f"{other},i", as_json(other)) == [False, False]
    assert not re.search(mention(user), f"{other},i")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5,i7", True),
        ("5.0,i7", True),
        ('{"user_id": 5, "it', True),
        ('{"user_id":5', True),
        ("15,i7", False),
        ("-5,i7", False),
        ("5.5,i5.0.1", False),
        ("2026/5/1,i5,a5", False),
        ("05,50", False),
    ],
)
def test_a_short_number_is_no_part_of_another(text: str, found: bool) -> None:
    assert holds(only(5, "int64"), text) == [found]
    assert holds(only("5", "string"), text) == [found]


def test_who_was_forgotten_is_found_by_the_hash_alone(tmp_path: object) -> None:
    lake = Lake(str(tmp_path))
    for user in ("auth0|u7", "é x", "google-oauth2|103547991597142817347"):
        suppress(lake, user, "string", "")
    texts = ["auth0|u7,i", "auth0|u8,i", '{"user_id":"\\u00e9 x"', "x,i", "google-oauth2|103547991597142817347"]
    forgotten = read_suppressions(lake, "string")
    assert holds(forgotten, *texts) == [True, False, True, False, True]
    raw = pl.DataFrame({"user_id": [None, "auth0|u7", "b"], "malformed": ["c,auth0|u7", None, None]})
    assert forgotten.without(raw)["user_id"].to_list() == ["b"]
    assert nobody("string").without(raw).equals(raw)


def test_an_id_within_an_object_that_stands_in_its_place_counts() -> None:
    raw = pl.DataFrame({"user_id": [{"id": "auth0|u7"}, {"id": "auth0|u77"}, None]})
    assert only("auth0|u7", "string").theirs(raw).to_list() == [True, False, False]
    lists = pl.DataFrame({"user_id": [[7], [77], []]})
    assert only(7, "int64").theirs(lists).to_list() == [True, False, False]


@given(st.text(max_size=2 * LONGEST), st.integers(1, 20), st.integers(0, 20))
def test_parts_are_as_long_as_asked(text: str, fewest: int, more: int) -> None:
    assert all(fewest <= len(part) <= fewest + more for part in ids_in(text, fewest, fewest + more))
