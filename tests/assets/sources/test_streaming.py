"""Text is read block by block: rows do not depend on where a block ends, and memory is that of a few blocks."""

import gzip
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.formats import records
from assets.sources.formats.delimited import Dialect, scan_delimited
from assets.sources.formats.json_lines import scan_json_lines
from assets.sources.source import SourceError
from tests.limited_memory import run_within

ROOT = Path(__file__).parents[3]
DAY = date(2026, 1, 1)
START = 1_767_225_600
MIB = 2**20

LIMIT_MIB = 240
ENOUGH = 250 * MIB
"""More than a process of so little memory has left beside Python and Polars."""

FILE = st.text(st.sampled_from('a1,,""\n\n\r \x00\N{REPLACEMENT CHARACTER}\xe9\u20ac\U0001f600'), max_size=60)


@given(text=FILE, block=st.integers(1, 40), encoding=st.sampled_from(["utf-8", "utf-16", "latin-1"]))
@settings(max_examples=100)
@pytest.mark.parametrize("zipped", [False, True])
def test_rows_of_a_csv_do_not_depend_on_the_block(
    tmp_path_factory: pytest.TempPathFactory, zipped: bool, text: str, block: int, encoding: str
) -> None:
    content = f"a,b\n{text}".encode(encoding, errors="replace")
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_bytes(gzip.compress(content) if zipped else content)
    for quoted in (True, False):
        dialect = Dialect(encoding=encoding, quoted=quoted)
        whole, blocks = (scan_delimited(path, dialect, size).collect() for size in (MIB, block))
        assert whole.equals(blocks)
        assert whole["source_row"].to_list() == list(range(whole.height))


@given(content=st.binary(max_size=80), block=st.integers(1, 40))
@settings(max_examples=100)
def test_rows_of_json_lines_do_not_depend_on_the_block(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, block: int
) -> None:
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    path.write_bytes(b'{"a": 1}\n' + content + b'\n{"a": "\xc3\xa9"}')
    whole, blocks = (scan_json_lines(path, ["a"], block_bytes=size).collect() for size in (MIB, block))
    assert whole.equals(blocks)
    assert (whole["a"][0], whole["a"][-1]) == ("1", "\xe9")


FIELD = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\x00\N{REPLACEMENT CHARACTER}"))


@given(
    rows=st.lists(st.tuples(st.just("k"), FIELD.map(lambda text: f"{text}.")), min_size=1, max_size=8),
    stray=st.lists(st.integers(0, 8), max_size=4),
    block=st.integers(1, 60),
)
@settings(max_examples=80)
def test_a_stray_quote_costs_no_record_of_several_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], stray: list[int], block: int
) -> None:
    lines = [",".join('"' + field.replace('"', '""') + '"' for field in row) for row in rows]
    for place in stray:
        lines.insert(place, '13,5" tv')
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_text("\n".join(["a,b", *lines]), encoding="utf-8")
    back = scan_delimited(path, Dialect(), block).collect()
    assert back.filter(pl.col("malformed").is_null()).select("a", "b").rows() == rows
    assert back["malformed"].drop_nulls().to_list() == ['13,5" tv'] * len(stray)


def test_a_quote_that_nothing_closes_is_not_held_back_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LONGEST_RECORD", 100)
    path = tmp_path / "x.csv"
    good = [f"{n},fine" for n in range(200)]
    path.write_text("\n".join(["a,b", '1,"never closed', *good, '2,"a', 'b"']))
    for block in (16, 4096):
        back = scan_delimited(path, Dialect(), block).collect()
        assert back["malformed"].drop_nulls().to_list() == ['1,"never closed']
        assert back.height == 202
        assert back["b"][-1] == "a\nb"


def test_a_blank_line_within_quotes_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text('a,b\n\n1,"x\n\ny"\n\n2,z\n')
    assert scan_delimited(path, Dialect()).collect().select("a", "b").rows() == [("1", "x\n\ny"), ("2", "z")]


def test_a_record_of_several_lines_with_bad_characters_stays_one_row(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b'a,b\n1,"caf\xe9\n7,8\nend"\n2,z\n')
    back = scan_delimited(path, Dialect()).collect()
    assert back["malformed"].to_list() == ['1,"caf\N{REPLACEMENT CHARACTER}\n7,8\nend"', None]


def test_a_file_without_a_header_takes_its_names_from_the_dialect(tmp_path: Path) -> None:
    path = tmp_path / "x.dat"
    path.write_text('1::"Love" (1999)::\n2::b::c::d\n3::e::f')
    back = scan_delimited(path, Dialect("::", names=("a", "b", "c"), quoted=False)).collect()
    assert back.select("a", "b", "c", "malformed", "source_row").rows() == [
        ("1", '"Love" (1999)', None, None, 0),
        (None, None, None, "2::b::c::d", 1),
        ("3", "e", "f", None, 2),
    ]


def test_lines_may_be_python_literals(tmp_path: Path) -> None:
    path = tmp_path / "meta.json"
    lines = [
        "{'asin': '01', 'title': \"It's\", 'categories': [['A', \"B's\"]], 'n': None, 'id': 12345678901234567890}",
        '{"asin": "02", "title": null, "ok": true}',
        "{'asin': __import__('os')}",
        "[" * 10_000,
    ]
    path.write_text("\n".join(lines))
    back = scan_json_lines(path, ["asin", "title", "categories.0.1", "n", "id"], literals=True).collect()
    assert back.rows() == [
        ("01", "It's", "B's", None, "12345678901234567890", 0, None),
        ("02", None, None, None, None, 1, None),
        (None, None, None, None, None, 2, lines[2]),
        (None, None, None, None, None, 3, lines[3]),
    ]


def test_another_encoding_than_the_profile_says_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"x\.csv is not in utf-16 .*set `encoding` to what it is"):
        scan_delimited(path, Dialect(encoding="utf-16"))


def test_a_line_that_never_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.sources.formats.text.LONGEST_LINE", 1_000)
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "x" * 5_000)
    with pytest.raises(SourceError, match=r"x\.csv has a line of more than 1000 characters"):
        scan_delimited(path, Dialect(), 256).collect()


@pytest.mark.parametrize("ending", [".csv.gz", ".jsonl.gz"])
def test_damage_further_on_reaches_the_reader_of_batches_with_its_name(tmp_path: Path, ending: str) -> None:
    path = _events(tmp_path / f"e{ending}", 200_000)
    path.write_bytes(path.read_bytes()[:-1_000])
    source = _source(path)
    (raw,) = source.read("events", source.land("events", [DAY]), [DAY])
    batches = raw.collect_batches(chunk_size=1_000, lazy=True)
    with pytest.raises(SourceError, match=rf"e\{ending} cannot be read.*write it again"):
        list(batches)


@pytest.mark.parametrize("ending", [".csv", ".jsonl.gz", ".parquet"])
def test_batches_come_in_order_of_file_and_row(tmp_path: Path, ending: str) -> None:
    for name in ("b", "a", "c"):
        _events(tmp_path / f"{name}{ending}", 5_000)
    source = _source(tmp_path / f"*{ending}")
    (raw,) = source.read("events", source.land("events", [DAY]), [DAY])
    batches = list(raw.collect_batches(chunk_size=700, maintain_order=True, engine="streaming"))
    rows = pl.concat(batches)
    assert max(batch.height for batch in batches) <= 700
    assert [Path(name).name[0] for name in rows["source_file"].unique(maintain_order=True)] == ["a", "b", "c"]
    assert rows["source_row"].to_list() == [*range(5_000)] * 3
    assert rows["user_id"].cast(pl.Int64).to_list() == [*range(5_000)] * 3


def test_one_day_of_a_file_of_many_is_what_comes_back(tmp_path: Path) -> None:
    path = _events(tmp_path / "e.csv", 6_000, step=60)
    source, second = _source(path), DAY + timedelta(days=1)
    (raw,) = source.read("events", source.land("events", [second]), [second])
    rows = raw.collect(engine="streaming")
    assert rows["source_row"].to_list() == list(range(1_440, 2_880))


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl"])
def test_memory_is_that_of_a_few_blocks(tmp_path: Path, ending: str) -> None:
    _events(tmp_path / f"e{ending}", rows=ENOUGH // {".jsonl": 190}.get(ending, 130), padding=100)
    run_within(LIMIT_MIB, "tests.assets.sources.test_streaming:read_in_batches", path=str(tmp_path / f"e{ending}"))


def read_in_batches(path: str) -> None:
    """All rows of a file, batch by batch, in blocks of a MiB."""
    scan = (
        scan_delimited(Path(path), Dialect(), MIB)
        if ".csv" in path
        else scan_json_lines(Path(path), ["user_id", "padding"], block_bytes=MIB)
    )
    rows = sum(batch.height for batch in scan.collect_batches(chunk_size=10_000, engine="streaming"))
    assert rows > ENOUGH // 200


def _source(events: Path) -> Files:
    paths = {"events": {"path": str(events), "timestamp_unit": "s"}, "items": {"path": "i.csv"}}
    return Files(FilesSettings.model_validate({"kind": "files"} | paths), DAY)


def _events(path: Path, rows: int, step: int = 0, padding: int = 0) -> Path:
    frame = pl.select(
        user_id=pl.int_range(rows),
        item_id=pl.lit("x"),
        timestamp=START + step * pl.int_range(rows),
        action=pl.lit("click"),
        padding=pl.lit("y" * padding),
    )
    if path.suffix == ".parquet":
        frame.write_parquet(path, row_group_size=1_000)
        return path
    text = frame.write_csv() if ".csv" in path.name else frame.write_ndjson()
    path.write_bytes(gzip.compress(text.encode(), 1) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("then", ["", "; raise SystemExit(3)"])
def test_a_process_that_has_had_enough_ends_well(then: str) -> None:
    # The second frame is made in naps, so that its thread is sure to wake up while the interpreter ends.
    code = (
        "import time; import polars as pl; from assets.sources.formats.streamed import streamed\n"
        "def made(n): return [time.sleep(0.001) for _ in range(500 * n)] and None or pl.DataFrame({'a': [n]})\n"
        "scan = streamed(lambda: map(made, range(9)), {'a': pl.Int64()})\n"
        f"batch = next(iter(scan.collect_batches(chunk_size=1, lazy=True))){then}"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == (3 if then else 0)
