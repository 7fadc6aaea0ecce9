"""What exports lack or write in their own way: a catalogue, times, quotes, commas for points, events on a day."""

import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.items.clean import clean_items
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.settings import open_source
from assets.sources.source import SourceError
from assets.validation.settings import QualitySettings
from models.declared import DeclaredColumn

FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]
HEADER = "user_id,item_id,timestamp,action\n"


def source(events: dict[str, Any], items: dict[str, Any] | None = None) -> Files:
    settings = {"kind": "files", "events": events} | ({"items": items} if items else {})
    return Files(FilesSettings.model_validate(settings), FIRST)


def read(files: Files, table: Any, days: list[date] = DAYS) -> pl.DataFrame:
    landed = files.land(table, days)
    return pl.concat([frame.collect() for frame in files.read(table, landed, days)], how="diagonal")


def events_of(folder: Path, text: str, name: str = "e.csv", **settings: Any) -> pl.DataFrame:
    (folder / name).write_text(text)
    return read(source({"path": f"{folder}/{name}", "timestamp_unit": "iso"} | settings), "events")


# No catalogue


def test_without_a_catalogue_each_item_is_there_from_its_first_event_on(tmp_path: Path) -> None:
    rows = [
        "1,e,2025-12-01,click",
        "1,b,2026-01-02,click",
        "1,a,2026-01-03,click",
        "2,a,2026-01-02,click",
        "2,b,2026-01-03,click",
    ]
    unusable = ["2,c,,click", "2,,2026-01-02,click", "2,d,2026-01-02", "2,late,2027-01-01,click"]
    (tmp_path / "e.csv").write_text(HEADER + "\n".join([*rows, *unusable]) + "\n")
    files = source({"path": f"{tmp_path}/e.csv", "timestamp_unit": "iso"})
    assert files.snapshot == "changes"
    named = read(files, "items").select("item_id", "day", "source_row").rows()
    assert named == [("e", FIRST, 0), ("b", DAYS[1], 1), ("a", DAYS[1], 3)]
    assert read(files, "items", DAYS[2:]).is_empty(), "an item that came before does not come again"


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 3)), min_size=1, max_size=20), st.booleans())
def test_of_any_log_the_items_are_those_of_its_events(
    tmp_path_factory: pytest.TempPathFactory, log: list[tuple[str, int]], in_two: bool
) -> None:
    folder = tmp_path_factory.mktemp("log")
    half = len(log) // 2 if in_two else 0
    for name, part in (("1.csv", log[:half]), ("2.csv", log[half:])):
        (folder / name).write_text(HEADER + "".join(f"u,{item},{DAYS[day]},click\n" for item, day in part))
    items = read(source({"path": f"{folder}/*.csv", "timestamp_unit": "iso"}), "items")
    firsts = {item: min(DAYS[day] for other, day in log if other == item) for item, _ in log}
    assert dict(items.select("item_id", "day").rows()) == firsts
    assert items["item_id"].is_unique().all()


def test_items_of_one_id_in_files_of_different_types_are_one(tmp_path: Path) -> None:
    base = {"user_id": ["u"], "timestamp": [DAYS[0]], "action": ["click"]}
    pl.DataFrame(base | {"item_id": [7]}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame(base | {"item_id": ["7"]}).write_parquet(tmp_path / "2.parquet")
    assert read(source({"path": f"{tmp_path}/*.parquet"}), "items")["item_id"].to_list() == ["7"]


def test_files_of_a_day_each_name_the_items_of_their_day(tmp_path: Path) -> None:
    for day, item in zip(DAYS[:2], "ab", strict=True):
        (tmp_path / f"{day}.csv").write_text(HEADER + f"1,{item},{day},click\n1,a,{day},view\n")
    files = source({"path": f"{tmp_path}/{{day}}.csv", "timestamp_unit": "iso"})
    assert read(files, "items", DAYS[:2]).select("item_id", "day").rows() == [("a", DAYS[0]), ("b", DAYS[1])]


# An order and no times


def test_places_are_days_from_the_first_and_items_are_there_from_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "e.tsv").write_text("user_id\titem_id\tnth\n1\ta\t0\n1\tb\t1\n2\tc\t2\n2\td\tlast\n")
    events = {
        "path": f"{tmp_path}/e.tsv",
        "ordinal": True,
        "columns": {"timestamp": "nth"},
        "constants": {"action": "x"},
    }
    rows = read(source(events), "events")
    assert rows.select("day", "_undated").rows() == [(DAYS[n], False) for n in range(3)] + [(FIRST, True)]
    assert read(source(events), "items").select("item_id", "day").rows() == [(item, FIRST) for item in "abc"]
    half_days = read(source(events | {"step": "PT12H"}), "events")
    assert half_days["day"].to_list() == [FIRST, FIRST, DAYS[1], FIRST]


@given(st.lists(st.sampled_from("uvw"), min_size=1, max_size=20), st.integers(0, 20))
def test_without_places_rows_count_up_within_their_user(
    tmp_path_factory: pytest.TempPathFactory, users: list[str], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("order")
    for name, part in (("1.csv", users[:cut]), ("2.csv", users[cut:])):
        (folder / name).write_text("user_id,item_id\n" + "".join(f"{user},i\n" for user in part))
    days = [FIRST + timedelta(days=n) for n in range(20)]
    rows = read(source({"path": f"{folder}/*.csv", "ordinal": True, "constants": {"action": "x"}}), "events", days)
    assert rows["day"].to_list() == [days[users[:n].count(user)] for n, user in enumerate(users)]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"path": "{day}.csv"}, r"source\.events: .*no days: leave \{day\} out"),
        ({"path": "e.csv", "timestamp_unit": "s"}, r"source\.events: .*no times: leave timestamp_unit"),
        ({"path": "e.csv", "timestamp_format": "%Y"}, r"source\.events: .*no times"),
        ({"path": "e.csv", "step": 0}, r"source\.events\.step: "),
    ],
)
def test_an_order_has_neither_days_nor_times(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(SourceError, match=why):
        open_source({"kind": "files", "events": settings | {"ordinal": True}}, "", FIRST)


# Forms of text


def test_a_form_of_times_is_an_option(tmp_path: Path) -> None:
    text = HEADER + "1,a,02.01.2026 08:05,click\n1,b,2026-01-02,click\n"
    (tmp_path / "e.csv").write_text(text)
    rows = read(source({"path": f"{tmp_path}/e.csv", "timestamp_format": "%d.%m.%Y %H:%M"}), "events")
    assert rows.select("day", "_undated").rows() == [(DAYS[1], False), (FIRST, True)]
    with pytest.raises(SourceError, match=r"source\.events\.timestamp_format: .*names no year"):
        open_source({"kind": "files", "events": {"path": "e", "timestamp_format": "%H:%M"}}, "", FIRST)
    with pytest.raises(SourceError, match=r"source\.events: .*timestamp_unit and timestamp_format exclude each other"):
        open_source(
            {"kind": "files", "events": {"path": "e", "timestamp_format": "%Y", "timestamp_unit": "s"}}, "", FIRST
        )


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("name", ["e.csv", "e.tsv", "e.txt"])
def test_the_delimiter_is_the_one_with_which_the_mapped_columns_are_there(
    tmp_path: Path, name: str, delimiter: str
) -> None:
    others = "".join(other for other in ",\t;|" if other != delimiter)
    lines = [["who", "item_id", "timestamp", "action", f'"a{others}b"'], ["1", "x", str(FIRST), "click", '","']]
    text = "\n".join(delimiter.join(line) for line in lines) + "\n"
    rows = events_of(tmp_path, text, name, columns={"user_id": "who"})
    assert rows.select("user_id", "item_id", "day").rows() == [("1", "x", FIRST)]


def test_without_a_header_the_delimiter_is_the_one_with_which_there_are_so_many_fields(tmp_path: Path) -> None:
    header = ["user_id", "item_id", "timestamp", "action"]
    assert events_of(tmp_path, f"1|a, b|{FIRST}|click\n", header=header)["item_id"].to_list() == ["a, b"]


def test_quotes_may_be_marks_like_others(tmp_path: Path) -> None:
    text = HEADER + f'1,12" plate,{FIRST},click\n1,"b,{FIRST},click\n'
    assert events_of(tmp_path, text, quoted=False)["item_id"].to_list() == ['12" plate', '"b']


def test_decimal_commas(tmp_path: Path) -> None:
    numbers = ["3,5", "1.234,5", "7", "", "1.5", "1,2,3", "NaN"]
    text = "user_id;item_id;timestamp;action;value;stay\n" + "".join(
        f"1;a;1767225600,{n}0;click;{number};{number}\n" for n, number in enumerate(numbers)
    )
    (tmp_path / "e.csv").write_text(text)
    settings = {"kind": "files", "events": {"path": f"{tmp_path}/e.csv", "decimal": ",", "timestamp_unit": "s"}}
    declared = {"stay": DeclaredColumn(known="outcome", type="number")}
    rows = read(Files(FilesSettings.model_validate(settings), FIRST, declared=declared), "events")
    assert rows["timestamp"].to_list() == [f"1767225600.{n}0" for n in range(7)]
    assert rows["value"].to_list() == rows["stay"].to_list() == ["3.5", "1234.5", "7", None, "1.5", "1,2,3", "NaN"]
    assert rows["mistyped"].to_list() == [None] * 4 + ["value, stay"] * 2 + [None]


# What is told of rejected rows


def test_a_rejected_row_names_the_columns_as_the_file_has_them(tmp_path: Path) -> None:
    header = "Kunde;Artikel;Zeit;Aktion;Menge\n"
    rows = [";A;2026-01-01;kauf;1", "K;;2026-01-01;;1", "K;A;;kauf;1", "K;A;bald;kauf;viel", "K;A;2026-01-01;zap;1"]
    rows += ["K;A;1990-01-01;kauf;1", "K;A;2026-01-01;kauf", "K;A;2026-01-01;kauf;2", "K;A;2026-01-01;kauf;3"]
    (tmp_path / "e.csv").write_text(header + "\n".join(rows) + "\n")
    named = {"user_id": "Kunde", "item_id": "Artikel", "timestamp": "Zeit", "action": "Aktion", "value": "Menge"}
    files = source({"path": f"{tmp_path}/e.csv", "timestamp_unit": "iso", "columns": named})
    rules, now = QualitySettings(actions=("kauf",)), datetime(2026, 2, 1, tzinfo=UTC)
    validator = RowValidator(rules, "string", None, now, "iso", files.columns("events"))
    raw = files.read("events", files.land("events", DAYS), DAYS)
    parts = list(clean_events(raw, validator, DAYS, rows_in_memory=1_000, scratch=tmp_path))
    rejected = pl.concat(part.rejected for part in parts).sort("source_row")
    assert rejected.select("reason", "at_fault").rows() == [
        ("null_key", "Kunde"),
        ("null_key", "Artikel, Aktion"),
        ("no_time", "Zeit"),
        ("wrong_type", "Zeit, Menge"),
        ("unknown_action", "Aktion"),
        ("timestamp_too_old", "Zeit"),
        ("malformed", None),
        ("duplicate", None),
    ]


def test_a_rejected_item_names_the_columns_as_the_file_has_them(tmp_path: Path) -> None:
    (tmp_path / "i.jsonl").write_text('{"sku": null}\n{"sku": [1], "name": {"a": 1}}\n{"sku": "7", "since": "soon"}\n')
    named = {"item_id": "sku", "title": "name", "available_from": "since"}
    files = source({"path": "e.csv"}, {"path": f"{tmp_path}/i.jsonl", "columns": named, "once": True})
    raw = files.read("items", files.land("items", DAYS), DAYS)
    cleaned = clean_items(raw, QualitySettings(), "string", DAYS, "iso", files.columns("items"))
    assert cleaned.rejected.select("reason", "at_fault").rows() == [
        ("null_key", "sku"),
        ("wrong_type", "sku, name"),
        ("wrong_type", "since"),
    ]


# Quiet days


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("csv", HEADER.encode(), {}),
        ("csv", HEADER.strip().encode() + b"\r\n\r\n", {}),
        ("csv.gz", gzip.compress(HEADER.encode(), mtime=0), {}),
        ("csv", b"", {"header": ["user_id", "item_id", "timestamp", "action"]}),
        ("jsonl", b"", {}),
        ("jsonl", b"\n", {}),
        ("jsonl.gz", gzip.compress(b"", mtime=0), {}),
    ],
)
def test_a_quiet_day_has_no_rows(tmp_path: Path, name: str, content: bytes, settings: dict[str, Any]) -> None:
    (tmp_path / f"{FIRST}.{name}").write_bytes(content)
    files = source({"path": f"{tmp_path}/{{day}}.{name}"} | settings)
    assert read(files, "events", [FIRST]).is_empty()
    assert read(files, "items", [FIRST]).is_empty()


def test_a_quiet_day_in_parquet(tmp_path: Path) -> None:
    row = {"user_id": "1", "item_id": "a", "timestamp": FIRST, "action": "click"}
    pl.DataFrame([row]).clear().write_parquet(tmp_path / "e.parquet")
    assert read(source({"path": f"{tmp_path}/e.parquet"}), "events").is_empty()
