import gzip
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.items.clean import clean_items
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings, ItemFilesSettings
from assets.sources.formats.delimited import Dialect, scan_delimited
from assets.sources.formats.json_lines import scan_json_lines
from assets.sources.source import RawTable, SourceError
from assets.validation.settings import QualitySettings

DAY = date(2026, 1, 1)
"""1767225600 s."""

NEXT = DAY + timedelta(days=1)
START = 1_767_225_600
HEADER = "user_id,item_id,timestamp,action\n"


def _source(folder: Path, events: dict[str, Any] | None = None, items: dict[str, Any] | None = None) -> Files:
    sections = {
        "events": {"path": f"{folder}/e.csv"} | (events or {}),
        "items": {"path": f"{folder}/i.csv"} | (items or {}),
    }
    return Files(FilesSettings.model_validate({"kind": "files"} | sections), DAY)


def _read(source: Files, table: RawTable, days: list[date]) -> pl.DataFrame:
    return pl.concat(source.read(table, source.land(table, days), days)).collect()


def test_a_folder_per_day_gives_each_file_its_day(tmp_path: Path) -> None:
    for day, name in ((DAY, "b.csv"), (DAY, "a.csv"), (NEXT, "a.csv")):
        (tmp_path / day.isoformat()).mkdir(exist_ok=True)
        (tmp_path / day.isoformat() / name).write_text(HEADER + f"{day.day},{name},0,click\n")
    rows = _read(_source(tmp_path, {"path": f"{tmp_path}/{{day}}"}), "events", [DAY, NEXT])
    assert rows.select("day", "user_id", "item_id", "source_row").rows() == [
        (DAY, "1", "a.csv", 0),
        (DAY, "1", "b.csv", 0),
        (NEXT, "2", "a.csv", 0),
    ]
    assert [Path(p).parent.name for p in rows["source_file"]] == ["2026-01-01", "2026-01-01", "2026-01-02"]


@pytest.mark.parametrize(
    ("unit", "first", "second"),
    [
        ("s", str(START), str(START + 86_400)),
        ("ms", str(START * 1_000 + 5), str((START + 86_400) * 1_000)),
        ("us", str(START * 10**6), str((START + 86_400) * 10**6)),
        ("ns", str(START * 10**9), str((START + 86_400) * 10**9)),
        ("iso", "2026-01-01T23:59:59Z", "2026-01-02T01:30:00+01:00"),
    ],
)
def test_rows_of_one_file_get_their_day_from_the_time(tmp_path: Path, unit: str, first: str, second: str) -> None:
    (tmp_path / "e.csv").write_text(HEADER + f"1,a,{first},click\n2,b,{second},click\n")
    source = _source(tmp_path, {"timestamp_unit": unit})
    assert _read(source, "events", [DAY, NEXT])["day"].to_list() == [DAY, NEXT]
    assert _read(source, "events", [NEXT]).select("user_id", "source_row").rows() == [("2", 1)]


def test_rows_without_a_plausible_time_count_to_the_first_day_asked_for(tmp_path: Path) -> None:
    times = ["", "soon", str(START), "9" * 18, str(START * 1_000)]
    (tmp_path / "e.csv").write_text(HEADER + "".join(f"{n},a,{t},click\n" for n, t in enumerate(times)) + "5,a\n")
    rows = _read(_source(tmp_path), "events", [DAY, NEXT])
    assert rows["day"].to_list() == [DAY] * 6
    assert _read(_source(tmp_path), "events", [NEXT])["source_row"].to_list() == [0, 1, 2, 3, 5]


def test_columns_are_mapped_and_constants_filled_in(tmp_path: Path) -> None:
    (tmp_path / "e.tsv").write_text(f"visitor\tsku\twhen\tcolour\n1\t2\t{START}\tred\n")
    source = _source(
        tmp_path,
        {
            "path": f"{tmp_path}/e.tsv",
            "delimiter": "\t",
            "columns": {"user_id": "visitor", "item_id": "sku", "timestamp": "when"},
            "constants": {"action": "purchase", "value": 1.5},
            "timestamp_unit": "s",
        },
    )
    rows = _read(source, "events", [DAY])
    assert rows.drop("source_file", "_undated").to_dicts() == [
        {
            "user_id": "1",
            "item_id": "2",
            "timestamp": str(START),
            "action": "purchase",
            "value": 1.5,
            "source_row": 0,
            "malformed": None,
            "day": DAY,
        }
    ]


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": [2**62], "item_id": ["x"], "timestamp": [START * 1_000], "action": ["click"]})
    frame.write_parquet(tmp_path / "e.parquet")
    rows = _read(_source(tmp_path, {"path": f"{tmp_path}/e.parquet"}), "events", [DAY])
    assert rows.select(frame.columns).equals(frame)


@pytest.mark.parametrize("zipped", [False, True])
def test_json_lines_come_as_text_with_exact_integers(tmp_path: Path, zipped: bool) -> None:
    huge = 123456789012345678901234567890
    lines = [
        json.dumps({"user": {"id": huge}, "item_id": "x", "timestamp": START * 1_000, "action": "click"}),
        '{"user": {"id": 1}, "item_id": "y", "timestamp": 17672256',
        "[1, 2]",
        json.dumps({"user": {"id": 2}, "item_id": 7, "timestamp": START * 1_000, "action": "like", "value": None}),
    ]
    content = ("\n".join(lines) + "\n").encode()
    path = tmp_path / ("e.jsonl.gz" if zipped else "e.jsonl")
    path.write_bytes(gzip.compress(content) if zipped else content)
    rows = _read(_source(tmp_path, {"path": str(path), "columns": {"user_id": "user.id"}}), "events", [DAY])
    assert rows.select("user_id", "item_id", "timestamp", "malformed", "source_row").rows() == [
        (str(huge), "x", str(START * 1_000), None, 0),
        (None, None, None, lines[1], 1),
        (None, None, None, lines[2], 2),
        ("2", "7", str(START * 1_000), None, 3),
    ]


def test_damaged_csv_records_cost_no_good_row(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(
        b'user,item,text\r\n1,2,"a\r\nb, c"\r\n3,4,caf\xe9\r\n5,6,too,many\r\n\r\n7,8\r\n9,10,"she said ""hi"""\r\n'
        b'11,12,\r\n13,14,5" tv\r\n15,16,fine\r\n17,18,6" tv\r\n99999999999999999999999,1,z'
    )
    rows = scan_delimited(path, Dialect()).collect()
    assert rows.filter(pl.col("malformed").is_null()).select("user", "item", "text").rows() == [
        ("1", "2", "a\nb, c"),
        ("9", "10", 'she said "hi"'),
        ("11", "12", None),
        ("15", "16", "fine"),
        ("99999999999999999999999", "1", "z"),
    ]
    assert rows["malformed"].drop_nulls().to_list() == [
        "3,4,caf\N{REPLACEMENT CHARACTER}",
        "5,6,too,many",
        "7,8",
        '13,14,5" tv',
        '17,18,6" tv',
    ]
    assert rows["source_row"].to_list() == list(range(10))


FIELD = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\N{REPLACEMENT CHARACTER}"), min_size=1
)


@given(rows=st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=8), delimiter=st.sampled_from(",;|\t"))
@settings(deadline=None, max_examples=60)
def test_every_quoted_csv_reads_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    quoted = [delimiter.join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    path.write_text("\n".join([f"a{delimiter}b", *quoted]), encoding="utf-8")
    back = scan_delimited(path, Dialect(delimiter)).collect()
    assert back["malformed"].null_count() == len(rows)
    assert back.select("a", "b").rows() == rows


@given(ids=st.lists(st.integers(-(10**30), 10**30), min_size=1, max_size=5), text=st.text(max_size=20))
@settings(deadline=None, max_examples=60)
def test_every_json_object_reads_back(tmp_path_factory: pytest.TempPathFactory, ids: list[int], text: str) -> None:
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    path.write_text("\n".join(json.dumps({"id": number, "text": text}) for number in ids))
    back = scan_json_lines(path, ["id", "text"]).collect()
    assert back["id"].to_list() == [str(number) for number in ids]
    assert back["text"].to_list() == [text] * len(ids)


def test_other_encodings_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,caf\xe9\n", encoding="latin-1")
    assert scan_delimited(path, Dialect(encoding="latin-1")).collect()["b"].to_list() == ["caf\xe9"]
    path.write_text("\ufeffa,b\n1,2\n", encoding="utf-8")
    assert scan_delimited(path, Dialect()).collect()["a"].to_list() == ["1"]


def test_items_get_categories_as_lists_and_absolute_image_paths(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text(
        "item_id,title,categories,image,available_from\n"
        "1,a,Drama| War ,posters/1.jpg,2025-06-01\n"
        "2,b,,/abs/2.jpg,2026-01-02\n"
        '3,c,"[""Sci-Fi"", ""x|y""]",s3://bucket/3.jpg,\n'
    )
    rows = _read(_source(tmp_path, items={"timestamp_unit": "iso"}), "items", [DAY, NEXT])
    assert rows.select("item_id", "categories", "image", "day").rows() == [
        ("1", ["Drama", "War"], f"{tmp_path}/posters/1.jpg", DAY),
        ("2", None, "/abs/2.jpg", DAY),
        ("3", ["Sci-Fi", "x|y"], "s3://bucket/3.jpg", DAY),
    ]


def test_tags_and_numbers_of_a_catalogue_are_read_alike_from_every_format(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"item_id": "a", "brand": "Acme", "makers": ["X", "Y", "X"], "price": "9.5", "year": "1999"},
        {"item_id": "b", "brand": None, "makers": [], "price": None, "year": "soon"},
    ]
    text = [row | {"makers": "|".join(row["makers"])} for row in rows]
    pl.DataFrame(text).write_csv(tmp_path / "items.csv")
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pl.DataFrame(rows).with_columns(pl.col("price").cast(pl.Float64)).write_parquet(tmp_path / "items.parquet")
    for name in ("items.csv", "items.jsonl", "items.parquet"):
        items = {"path": str(tmp_path / name), "tags": ["brand", "makers"], "numbers": ["price", "year"]}
        source = _source(tmp_path, items=items)
        raw = source.read("items", source.land("items", [DAY]), [DAY])
        cleaned = clean_items(raw, QualitySettings(), "string", [DAY])
        assert cleaned.accepted["tags"].to_list() == [["brand=Acme", "makers=X", "makers=Y"], []], name
        price, year = {"name": "price", "value": 9.5}, {"name": "year", "value": 1999.0}
        assert cleaned.accepted["numbers"].to_list() == [[price, year], []], name
        assert cleaned.trimmed["at_fault"].to_list() == ["year"], name


@pytest.mark.parametrize(
    ("decimal", "read", "none"),
    [
        (
            ".",
            {
                "$4.50": 4.5,
                " -€ 5 ": -5,
                "7 %": 7,
                "$1,299.00": 1299,
                "1,234,567": 1234567,
                "£-3": -3,
                "1e3": 1000,
            },
            ["5,50", "1,234", "on request", "4-5", "$", "1 2"],
        ),
        (
            ",",
            {"5,50 €": 5.5, "1.234,5": 1234.5, "1 234,5": 1234.5, "2\u202f000": 2000, "3": 3},
            ["1.5", "5.50 €", "n/a", "1,2,3"],
        ),
    ],
)
def test_numbers_of_items_as_people_write_them(
    tmp_path: Path, decimal: str, read: dict[str, float], none: list[str]
) -> None:
    prices = [*read, *none]
    rows = [{"item_id": f"{n}", "price": price} for n, price in enumerate(prices)]
    pl.DataFrame(rows).write_csv(tmp_path / "items.csv")
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in ("items.csv", "items.jsonl"):
        source = _source(
            tmp_path,
            items={"path": str(tmp_path / name), "numbers": ["cost"], "columns": {"cost": "price"}}
            | {"decimal": decimal},
        )
        raw = source.read("items", source.land("items", [DAY]), [DAY])
        cleaned = clean_items(raw, QualitySettings(), "string", [DAY], names=source.columns("items"))
        assert cleaned.rejected.is_empty()
        found = [[one["value"] for one in numbers] for numbers in cleaned.accepted["numbers"]]
        assert found == [*([value] for value in read.values()), *([] for _ in none)]
        assert cleaned.trimmed.select("reason", "at_fault").rows() == [("no_number", "price")] * len(none)


def test_columns_of_any_name_may_be_tags_and_numbers(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": ["a"], "tags": ["x|y"], "numbers": [3]}).write_csv(tmp_path / "i.csv")
    for tags, numbers, told in (("tags", "numbers", "tags=x tags=y"), ("numbers", "tags", "numbers=3")):
        rows = _read(_source(tmp_path, items={"tags": [tags], "numbers": [numbers]}), "items", [DAY])
        assert rows["tags"].to_list() == [told.split()]
        assert rows["numbers"].struct.fields == [numbers]
    assert "numbers" not in _read(_source(tmp_path, items={"tags": ["numbers"]}), "items", [DAY]).columns


def test_a_tag_or_number_must_be_there_and_have_a_name_of_its_own(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": ["a"], "brand": ["b"]}).write_csv(tmp_path / "items.csv")
    items = {"path": str(tmp_path / "items.csv"), "tags": ["brand"], "numbers": ["year"]}
    with pytest.raises(SourceError, match=r"has no column 'year' for year .*: set source\.items\.columns\.year"):
        _source(tmp_path, items=items).land("items", [DAY])
    nested = pl.DataFrame({"item_id": ["a"], "brand": [[["b"]]]})
    nested.write_parquet(tmp_path / "items.parquet")
    source = _source(tmp_path, items={"path": str(tmp_path / "items.parquet"), "tags": ["brand"]})
    with pytest.raises(SourceError, match="'brand' among tags holds lists of lists, or objects"):
        _read(source, "items", [DAY])


@pytest.mark.parametrize(
    ("section", "why"),
    [
        ({"tags": ["title"]}, "'title' among tags and numbers is there twice, or is one of the contract's"),
        ({"tags": ["x"], "numbers": ["x"]}, "'x' .* is there twice"),
        ({"tags": ["x", "y"], "columns": {"x": "brand", "y": "brand"}}, "'x' .* is there twice"),
        ({"tags": ["item_id"]}, "'item_id' among tags and numbers is the column of item_id"),
        ({"numbers": ["sku"], "columns": {"item_id": "sku"}}, "'sku' .* is the column of item_id"),
        ({"tags": ["x"], "columns": {"item_id": "sku", "x": "sku"}}, "'x' .* is the column of item_id"),
        ({"tags": [""]}, "a name among tags and numbers is empty"),
        ({"numbers": ["x"], "columns": {"x": " "}}, "a name among tags and numbers is empty"),
    ],
)
def test_a_tag_or_number_is_a_column_of_its_own(section: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ItemFilesSettings.model_validate({"path": "x"} | section)


def test_items_without_a_time_column_count_to_the_first_day_asked_for(tmp_path: Path) -> None:
    pl.DataFrame({"item_id": [1], "categories": [["a", "b"]]}).write_parquet(tmp_path / "i.parquet")
    source = _source(tmp_path, items={"path": f"{tmp_path}/*.parquet"})
    rows = _read(source, "items", [NEXT, DAY])
    assert rows.select("day", "categories").rows() == [(DAY, ["a", "b"])]


catalogues = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "7", ""]), st.one_of(st.none(), st.integers(-3, 9), st.just(99_999))),
    min_size=1,
    max_size=8,
)


def _write_catalogue(path: Path, listed: list[tuple[str, int | None]]) -> None:
    moments = [(item, "" if day is None else str((START + day * 86_400) * 1_000)) for item, day in listed]
    path.write_text(
        "item_id,title,available_from\n" + "".join(f"{i},row {n},{m}\n" for n, (i, m) in enumerate(moments))
    )


@given(catalogues, st.integers(0, 6), st.integers(1, 3), st.sampled_from(["auto", "full"]), st.booleans())
@settings(deadline=None, max_examples=60)
def test_what_one_file_lists_is_listed_on_the_first_day_of_every_run(
    tmp_path_factory: pytest.TempPathFactory,
    listed: list[tuple[str, int | None]],
    first: int,
    length: int,
    snapshot: str,
    in_two: bool,
) -> None:
    folder = tmp_path_factory.mktemp("catalogue")
    half = len(listed) // 2 if in_two else 0
    _write_catalogue(folder / "i1.csv", listed[:half] if in_two else listed)
    _write_catalogue(folder / "i2.csv", listed[half:] if in_two else [])
    days = [DAY + timedelta(days=first + n) for n in range(length)]
    source = _source(folder, items={"path": f"{folder}/i*.csv", "snapshot": snapshot})
    rows = _read(source, "items", days)
    today = rows.filter(pl.col("day") == days[0])
    assert set(today["item_id"].drop_nulls()) == {item for item, _ in listed if item}
    assert today["item_id"].null_count() == sum(not item for item, _ in listed)
    places = rows.select("source_file", "source_row")
    assert places.is_unique().all()
    # What is not listed describes an item that is, before or later.
    own = [max(day or 0, 0) if day != 99_999 else first for _, day in listed]
    shown = {(Path(file).name, row) for file, row in places.rows()}
    for n, (_, day) in enumerate(listed):
        place = (("i2.csv", n - half) if n >= half else ("i1.csv", n)) if in_two else ("i1.csv", n)
        if day in (None, 99_999) or own[n] in range(first, first + length):
            assert place in shown


def test_of_an_item_with_several_rows_the_newest_so_far_is_listed(tmp_path: Path) -> None:
    _write_catalogue(tmp_path / "i.csv", [("a", 0), ("a", 2), ("a", 5), ("b", 7), ("b", 8), ("c", None)])
    source = _source(tmp_path)
    days = [DAY + timedelta(days=n) for n in range(4)]
    nights = [_read(source, "items", [day]).select("item_id", "title").rows() for day in days]
    assert nights[0] == nights[1] == [("a", "row 0"), ("b", "row 3"), ("c", "row 5")]
    assert nights[2] == nights[3] == [("a", "row 1"), ("b", "row 3"), ("c", "row 5")]
    together = _read(source, "items", days).select("title", "day").rows()
    assert together == [("row 0", DAY), ("row 1", days[2]), ("row 3", DAY), ("row 5", DAY)]


@pytest.mark.parametrize("settings", [{"snapshot": "changes"}, {"once": True}])
def test_what_tells_of_changes_alone_keeps_its_days(tmp_path: Path, settings: dict[str, Any]) -> None:
    _write_catalogue(tmp_path / "i.csv", [("a", -3), ("b", 1), ("c", 4)])
    source = _source(tmp_path, items=settings)
    assert _read(source, "items", [DAY, NEXT]).select("item_id", "day").rows() == [("a", DAY), ("b", NEXT)]
    assert _read(source, "items", [NEXT])["item_id"].to_list() == ["b"]


def test_truncated_parquet_stops_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    pl.DataFrame({"user_id": range(10_000)}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(SourceError, match=r"^[^\n]*e\.parquet is no complete Parquet file[^\n]*write it again$"):
        _source(tmp_path, {"path": str(path)}).land("events", [DAY])


@pytest.mark.parametrize("name", ["e.csv", "e.csv.gz", "e.parquet"])
@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_stops_with_its_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=rf"{name} is (empty|no complete Parquet)"):
        _source(tmp_path, {"path": f"{tmp_path}/{name}"}).land("events", [DAY])


def test_a_truncated_archive_stops_with_its_name(tmp_path: Path) -> None:
    whole = gzip.compress((HEADER + "".join(f"{n},a,{START},click\n" for n in range(9_999))).encode())
    (tmp_path / "e.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"e\.csv\.gz cannot be read"):
        _read(_source(tmp_path, {"path": f"{tmp_path}/e.csv.gz"}), "events", [DAY])


def test_a_missing_day_is_named(tmp_path: Path) -> None:
    (tmp_path / f"{DAY}.csv").write_text(HEADER + "1,a,1,click\n")
    with pytest.raises(SourceError, match=rf"no events file for {NEXT}: nothing matches .*{NEXT}\.csv"):
        _source(tmp_path, {"path": f"{tmp_path}/{{day}}.csv"}).land("events", [DAY, NEXT])


def test_a_missing_column_says_how_to_map_it(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("user,item_id,timestamp,action\n1,2,3,click\n")
    with pytest.raises(
        SourceError, match=r"no column 'user_id'.*it has user, item_id.*set source\.events\.columns\.user_id"
    ):
        _source(tmp_path).land("events", [DAY])


def test_a_column_named_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("user_id,item_id,timestamp,action,action\n1,2,3,click,like\n")
    with pytest.raises(SourceError, match="column 'action' twice"):
        _source(tmp_path).land("events", [DAY])


def test_where_the_ending_says_no_format_the_beginning_does(tmp_path: Path) -> None:
    row = {"user_id": "1", "item_id": "a", "timestamp": START * 1_000, "action": "click"}
    (tmp_path / "csv.log").write_text(HEADER + f"1,a,{START * 1_000},click\n")
    (tmp_path / "lines.json").write_text(json.dumps(row) + "\n")
    (tmp_path / "zipped.json").write_bytes(gzip.compress(json.dumps(row).encode()))
    pl.DataFrame([row]).write_parquet(tmp_path / "table.dat")
    for path in tmp_path.iterdir():
        rows = _read(_source(tmp_path, {"path": str(path)}), "events", [DAY])
        assert rows.select(pl.col("user_id", "timestamp").cast(pl.String)).rows() == [("1", str(START * 1_000))]


def test_one_list_of_json_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text('[{"user_id": 1}]')
    with pytest.raises(SourceError, match=r"e\.json is one JSON list: write each of its objects on a line"):
        _source(tmp_path, {"path": f"{tmp_path}/e.json"}).land("events", [DAY])
