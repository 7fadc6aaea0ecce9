"""`genrec init`: what the columns of a catalogue are taken for."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.sources.guess import names
from models.columns import AVAILABLE_FROM
from tests.orchestration.init.worlds import ITEMS, START, init, lines, profile_report, refused, said, tried, world


def test_a_catalogue_without_names(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    items = [
        (
            f"A-{n}",
            "2024-01-01",
            f"The tale of {n} rings",
            f"https://x.example/{n} of them",
            ["Drama|War", "War", "Comedy"][n % 3],
        )
        for n in range(ITEMS)
    ]
    (tmp_path / "items.dat").write_text(lines([], items, "::").lstrip("\n"))
    profile, _ = init(tmp_path, "log.csv", "items.dat")
    assert profile.source["items"]["columns"] == {"item_id": "column_1", "title": "column_3", "categories": "column_5"}
    found = said(tmp_path, "log.csv", "items.dat")
    (line,) = [line for line in found if line.startswith("look at source.items.columns: no name says")]
    assert "'column_3' such as 'The tale of 0 rings' for the title, 'column_5' such as 'Drama|War' for" in line
    (tmp_path / "items.dat").write_text(
        lines([], [(item[0], n * 1.5) for n, item in enumerate(items)], "::").lstrip("\n")
    )
    assert any(
        "no column of the catalogue was taken for a text" in line for line in said(tmp_path, "log.csv", "items.dat")
    )


def test_a_catalogue(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    (tmp_path / "pictures").mkdir()
    items = []
    for n in range(ITEMS):
        (tmp_path / "pictures" / f"{n}.jpg").write_bytes(b"")
        items.append((n, f"A-{n}", f"Thing number {n}", "a; b;c", f"pictures/{n}.jpg", f"https://shop.example/{n}.jpg"))
    header = ["row", "key", "product_name", "genres", "photo", "image_url"]
    (tmp_path / "items.csv").write_text(lines(header[:5], [row[:5] for row in items], "\t"))
    profile, _ = init(tmp_path, "log.csv", "items.csv")
    section = profile.source["items"]
    assert section["columns"] == {"item_id": "key", "title": "product_name", "categories": "genres", "image": "photo"}
    assert section["category_delimiter"] == ";"
    (tmp_path / "made.yaml").unlink()
    (tmp_path / "items.csv").write_text(lines([*header[:4], header[5]], [(*row[:4], row[5]) for row in items], "\t"))
    profile, text = init(tmp_path, "log.csv", "items.csv")
    assert "image" not in profile.source["items"]["columns"]
    assert "images are left out: of 'image_url', addresses" in text


def test_names_that_items_share_and_numbers_are_proposed_but_none_that_tells_of_the_future(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    header = ["item", "title", "genres", "brand", "makers", "price", "year", "units_sold", "author_id", "slogan", "row"]
    header.append("released")
    items = [
        (
            f"A-{n}",
            f"T {n}",
            "a|b",
            f"brand {n % 3}",
            "X|Y",
            9.5 + n,
            1990 + n % 4,
            n % 5,
            n % 2,
            f"buy number {n}",
            n,
            f"0{n % 4 + 1}-Jan-1954",
        )
        for n in range(ITEMS)
    ]
    (tmp_path / "items.csv").write_text(lines(header, items))
    profile, text = init(tmp_path, "log.csv", "items.csv")
    assert profile.source["items"]["tags"] == ["brand", "makers"]
    assert profile.source["items"]["numbers"] == ["price", "year"]
    assert "leave out what was counted after it came" in text


def test_a_catalogue_that_lacks_items_lets_their_events_in(tmp_path: Path) -> None:
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (tmp_path / "log.csv").write_text(lines(["user", "item", "time"], rows))
    (tmp_path / "items.csv").write_text(lines(["item", "title"], [(f"A-{n}", f"t{n}") for n in range(ITEMS // 2)]))
    profile, _ = init(tmp_path, "log.csv", "items.csv")
    assert profile.quality["reject_unknown_items"] is False
    (tmp_path / "items.csv").write_text(lines(["item", "title"], [(f"B-{n}", f"t{n}") for n in range(ITEMS)]))
    assert "no column of" in refused(
        str(tmp_path / "log.csv"), str(tmp_path / "items.csv"), "--profile", f"{tmp_path}/x.yaml"
    )


def catalogue(folder: Path, header: list[str], row: Callable[[int], list[Any]], delimiter: str = ",") -> None:
    """A log of the items A-0 to A-29 as log.csv and what `row` says of each as items.csv, fields with quotes."""
    rows = [(user, item, int(moment.timestamp())) for user, item, moment, _ in world()]
    (folder / "log.csv").write_text(lines(["user", "item", "time"], rows))
    items = [[f"A-{n}", f"T {n}", *(f'"{value}"' for value in row(n))] for n in range(ITEMS)]
    (folder / "items.csv").write_text(lines(["item", "title", *header], items, delimiter))


SINCE: dict[str, Callable[[datetime], object]] = {
    "timestamp_unit: iso": lambda moment: f"{moment:%Y-%m-%d}",
    "timestamp_unit: s": lambda moment: int(moment.timestamp()),
    "timestamp_format: %d.%m.%Y": lambda moment: f"{moment:%d.%m.%Y}",
    "timestamp_unit: iso of no log": lambda moment: f"{moment - timedelta(days=50_000):%Y-%m-%d}",
}


@pytest.mark.parametrize(
    ("form", "name"), [*((form, AVAILABLE_FROM) for form in SINCE), (next(iter(SINCE)), "availableFrom")]
)
def test_times_since_when_items_are_there_are_read_in_any_form(tmp_path: Path, form: str, name: str) -> None:
    moments = [START.replace(hour=0) + timedelta(days=n % 9) for n in range(ITEMS)]
    catalogue(tmp_path, [name], lambda n: [SINCE[form](moments[n])])
    profile, text = init(tmp_path, "log.csv", "items.csv")
    key, _, value = form.removesuffix(" of no log").partition(": ")
    assert profile.source["items"][key] == value
    assert "max_rejected_share" not in text
    found = profile_report(profile).items.select("item_id", AVAILABLE_FROM).collect()
    earlier = timedelta(days=50_000) if form.endswith("of no log") else timedelta()
    assert dict(found.rows()) == {f"A-{n}": moment - earlier for n, moment in enumerate(moments)}


def test_columns_that_are_not_what_they_are_called_are_left_out_and_no_item_is_lost(tmp_path: Path) -> None:
    wrong = {
        AVAILABLE_FROM: ("soon", "its values are no times of one form"),
        "image": ("nowhere.jpg", "0 of 30 of its files are there"),
        "image_bytes": ("aGVsbG8=", "values such as 'aGVsbG8=' are none of its type"),
    }
    catalogue(
        tmp_path, [*wrong], lambda n: ["2024" if n % 2 and value == "soon" else value for value, _ in wrong.values()]
    )
    profile, text, told = tried(tmp_path, "log.csv", "items.csv")
    assert profile.source["items"]["constants"] == dict.fromkeys(wrong, "")
    assert "max_rejected_share" not in text
    found = profile_report(profile)
    items = found.items.collect()
    assert (items.height, found.items_put_aside.rows, found.put_aside.rows) == (ITEMS, 0, 0)
    assert items.select(pl.col("image", "image_bytes").null_count()).row(0) == (ITEMS, ITEMS)
    for name, (_, why) in wrong.items():
        assert f"the file's own is left out: {why}" in text
        assert any(f"source.items: the column {name!r} of the file is left out: {why}" in line for line in told)


def test_objects_where_names_or_texts_are_meant_cost_no_item(tmp_path: Path) -> None:
    catalogue(tmp_path, [], lambda n: [])
    rows: list[dict[str, Any]] = [
        {
            "item": f"A-{n}",
            "name": ["T", "x"] if n % 2 else f"T {n}",
            "colours": [{"name": ["red", "blue"][n % 2]}],
            "makers": [["X"], ["Y", "Z"]][n % 2],
            "categories": {"main": {"name": "a"}},
        }
        for n in range(ITEMS)
    ]
    (tmp_path / "items.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    profile, _, doubts = tried(tmp_path, "log.csv", "items.jsonl")
    section = profile.source["items"]
    assert (section["columns"], section["constants"], section["tags"]) == (
        {"item_id": "item"},
        {"categories": ""},
        ["makers"],
    )
    found = profile_report(profile)
    assert (found.items.collect().height, found.items_put_aside.rows, found.put_aside.rows) == (ITEMS, 0, 0)
    told = [line for line in doubts if "of the file is left out" in line]
    assert [line.split("'")[1] for line in told] == ["categories", "name", "colours"]


def test_where_the_log_has_no_times_the_catalogue_says_none(tmp_path: Path) -> None:
    catalogue(tmp_path, [AVAILABLE_FROM], lambda n: ["2024-03-02"])
    log = sorted(world(), key=lambda event: int(event[0]))
    (tmp_path / "log.csv").write_text(lines(["user", "item"], [(user, item) for user, item, *_ in log]))
    profile, _ = init(tmp_path, "log.csv", "items.csv")
    assert profile.source["items"]["constants"] == {AVAILABLE_FROM: ""}
    since = profile_report(profile).items.select(AVAILABLE_FROM).collect()
    assert set(since.to_series()) == {datetime(2000, 1, 1, tzinfo=UTC)}


def test_numbers_as_people_write_them_are_numbers(tmp_path: Path) -> None:
    header = ["price", "weight", "size", "mixed", "duty"]
    catalogue(
        tmp_path,
        header,
        lambda n: [
            f"${1_000 + n % 7:,}.50",
            n % 12 + 0.5 if n % 3 else "on request",
            n % 6 if n % 2 == 0 else "n/a",
            f"{'$€'[n % 2]}{n % 7}.50",
            f"{n % 9} %",
        ],
    )
    profile, _ = init(tmp_path, "log.csv", "items.csv")
    section = profile.source["items"]
    assert section["numbers"] == ["price", "weight", "size", "duty"], "and 'mixed' is of two units"
    assert "tags" not in section
    found = profile_report(profile).items.collect().filter(pl.col("item_id") == "A-8")["numbers"][0]
    assert found.struct.unnest().rows() == [("price", 1001.5), ("weight", 8.5), ("size", 2.0), ("duty", 8.0)]


def test_numbers_with_a_decimal_comma(tmp_path: Path) -> None:
    catalogue(tmp_path, ["price", "weight", "ratio"], lambda n: [f"{n % 7},50 €", f"{n % 5},25", f"{n % 4}.5"], ";")
    profile, text = init(tmp_path, "log.csv", "items.csv")
    section = profile.source["items"]
    assert (section["decimal"], section["numbers"]) == (",", ["price", "weight"])
    assert "tags" not in section
    assert "numbers with a decimal point, unlike the others, are left out: ratio" in text
    found = profile_report(profile).items.collect().filter(pl.col("item_id") == "A-8")["numbers"][0]
    assert found.struct.field("value").to_list() == [1.5, 3.25]


COUNTED = ["stock_level", "inventory", "chart_position", "salesrank", "wishlisted", "bestSellerRank", "trending"]


@pytest.mark.parametrize(
    "name", [*COUNTED, "quantity", "available", "isPopular", "viewcount", "show_cnt", "collectcnt", "Verkaufsrank"]
)
def test_what_is_counted_afterwards_is_known_by_its_name(name: str) -> None:
    assert names.counted_afterwards(name)


@pytest.mark.parametrize("name", ["price", "discount", "brand", "country", "pages", "trendy", "label", "frankness"])
def test_what_is_known_before_is_too(name: str) -> None:
    assert not names.counted_afterwards(name)


def test_what_is_counted_afterwards_is_held_back_and_said_to_be(tmp_path: Path) -> None:
    catalogue(tmp_path, [*COUNTED, "pages"], lambda n: [n % 7 + place for place in range(len(COUNTED) + 1)])
    profile, text = init(tmp_path, "log.csv", "items.csv")
    assert profile.source["items"]["numbers"] == ["pages"]
    assert f"is counted once an item is there: {', '.join(COUNTED)}" in text


def test_marks_of_html_separate_no_categories(tmp_path: Path) -> None:
    catalogue(tmp_path, ["genres"], lambda n: [["<i>Toys</i>", "Books &amp; Co"][n % 2]])
    profile, _ = init(tmp_path, "log.csv", "items.csv")
    assert "category_delimiter" not in profile.source["items"]


def test_columns_of_any_type_of_parquet(tmp_path: Path) -> None:
    catalogue(tmp_path, [], lambda n: [])
    log = pl.read_csv(tmp_path / "log.csv").with_columns(context=pl.struct("user"), path=pl.concat_list("item"))
    log.with_columns(path=pl.concat_list(pl.col("path").implode().over("user"))).write_parquet(tmp_path / "log.parquet")
    items = pl.read_csv(tmp_path / "items.csv")
    items.with_columns(
        nested=pl.concat_list(pl.concat_list("title").implode().over("title")),
        objects=pl.concat_list(pl.struct("title")),
        length=pl.duration(seconds=pl.int_range(pl.len())),
        bytes=pl.lit(b"x"),
        flag=pl.int_range(pl.len()) % 2 == 0,
    ).write_parquet(tmp_path / "items.parquet")
    profile, _ = init(tmp_path, "log.parquet", "items.parquet")
    assert profile.source["items"]["tags"] == ["flag"]
    assert profile_report(profile).items.collect().height == ITEMS


def test_ids_that_blanks_set_apart_are_said_to_be(tmp_path: Path) -> None:
    catalogue(tmp_path, [], lambda n: [])
    items = [(f" A-{n} ", f"t{n}") for n in range(ITEMS)]
    (tmp_path / "items.csv").write_text(lines(["item", "title"], items))
    told = refused(str(tmp_path / "log.csv"), str(tmp_path / "items.csv"), "--profile", f"{tmp_path}/x.yaml")
    assert "the ids in 'item' of" in told
    assert "are those of the log but for blanks around them" in told
