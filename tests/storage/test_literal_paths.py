"""A lake does the same in a folder of any name as in one of a plain name."""

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.privacy.forget import forget
from assets.privacy.person import Person
from assets.privacy.proof import search
from assets.retention.compact import compact
from assets.retention.settings import RetentionSettings
from assets.retention.vacuum import apply_retention
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.versions import releases_of
from models.columns import DAY, SOURCE_FILE
from storage.lake import Lake
from storage.places import private_folder
from storage.sequence_store import BUCKETS_FOLDER
from tests.assets.privacy.test_forget import rows
from tests.assets.sequences.test_build import FIRST, contents, put, update

USERS = ["anna", "bert", "cleo", "dora"]
AT_ONCE = RetentionSettings(keep_days=0, keep_versions=1, safety_hours=0)

HARD = ["My Projects ü [x]", "#", "{y}", "%20", "%2F", "a?b=c", "*", "\\", "|", "^", "day=2020-01-01", "~", "$HOME"]
HARD += ["${HOME}", "'", '"', "`ls`", "<a>", ":", " ", "\n", "a"]
CHARACTERS = st.characters(codec="utf-8", exclude_characters="/\0")
names = st.one_of(
    st.lists(st.sampled_from(HARD), min_size=1, max_size=4).map("".join),
    st.text(CHARACTERS, min_size=1, max_size=12),
).filter(lambda name: name not in ("", ".", ".."))


@pytest.fixture(autouse=True, scope="module")
def own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("t")))
        yield


@given(names, st.sampled_from(["folder", "uri"]))
@settings(max_examples=25)
def test_tables_are_where_they_belong(name: str, kind: str) -> None:
    with TemporaryDirectory() as temporary:
        folder = Path(temporary, name)
        lake = Lake(str(folder) if kind == "folder" else folder.as_uri())
        days = [FIRST, FIRST + timedelta(days=1)]
        frame = pl.DataFrame({"x": [1, 2], DAY: days})
        assert not lake.exists("t")
        assert lake.replace_days("t", frame, days) == 0
        assert lake.replace_days("t", frame.with_columns(x=pl.lit(7, pl.Int64))[:1], days[:1]) == 1
        assert sorted(lake.scan("t").collect().rows()) == [(2, days[1]), (7, days[0])]
        assert sorted(lake.scan("t", 0).filter(pl.col(DAY) == FIRST).collect()["x"]) == [1]
        assert lake.days("t") == days
        lake.overwrite("u", frame.drop(DAY))
        assert lake.append("u", frame.drop(DAY), after=0) == 1
        assert lake.scan("u").collect()["x"].sort().to_list() == [1, 1, 2, 2]
        releases = releases_of(lake)
        releases.promote("v1", "first")
        releases.promote("v2", "second")
        assert (releases.champion(), releases.log().height) == ("v2", 2)
        assert [path.name for path in Path(temporary).iterdir()] == [name]
        assert len(list(folder.rglob("*.parquet"))) == 3 + 2 + 2


@given(names, names)
@settings(max_examples=25)
def test_landing_files_are_read_under_their_own_names(folder: str, file: str) -> None:
    with TemporaryDirectory() as temporary:
        landing = Path(temporary, folder)
        for day in ("2026-01-01", "2026-01-02"):
            path = landing / day / f"x{file}.csv"
            path.parent.mkdir(parents=True)
            path.write_text(f"user_id,item_id,timestamp,action\nu,{day},{day}T10:00:00,click\n")
        patterns = [f"{landing}/{{day}}/x{file}.csv", f"{landing}/{{day}}/*.csv", f"{landing}/{{day}}"]
        for pattern in patterns["$" in file :]:  # Behind `{day}`, a variable is one.
            where = FilesSettings.model_validate(
                {"kind": "files", "events": {"path": pattern, "timestamp_unit": "iso"}, "items": {"path": "none"}}
            )
            source = Files(where, FIRST)
            days = [FIRST, FIRST + timedelta(days=1)]
            files = source.land("events", days)
            assert [file.path for file in files] == [str(landing / str(day) / f"x{file}.csv") for day in days]
            frames = [
                frame.select("item_id", SOURCE_FILE, DAY).collect() for frame in source.read("events", files, days)
            ]
            read = pl.concat(frames).sort(DAY)
            assert read.rows() == [(str(file.day), file.path, file.day) for file in files]


@pytest.mark.parametrize("name", ["My Projects ü [x]", "%20{x}#?", "day=2020-01-01\\^|*"])
def test_a_lake_is_kept_the_same_whatever_its_folder_is_called(tmp_path: Path, name: str) -> None:
    plain, named = (_kept(Lake(str(tmp_path / parent / "lake"))) for parent in ("plain", name))
    for mine, theirs in zip(named, plain, strict=True):
        assert mine == theirs
    links = private_folder("links")
    assert links.is_relative_to(tmp_path.parent)
    assert all(path.is_symlink() for folder in links.iterdir() for path in folder.iterdir())


def _kept(lake: Lake) -> list[object]:
    """What is left after nights, a rerun of a day, a forgotten person, compaction and retention."""
    for day in range(3):
        put(lake, rows(USERS, day), day)
        update(lake)
    put(lake, rows(USERS[1:], 1), 1)
    update(lake)
    joined = compact(lake, ["events"], 1000)
    forgotten = forget(lake, Person("bert", "string"), "asked")
    deleted = apply_retention(lake, AT_ONCE)
    assert not search(Path(lake.root), Person("bert", "string")).found
    buckets = [path.read_bytes() for path in sorted(Path(lake.root, BUCKETS_FOLDER).iterdir())]
    return [
        *contents(lake),
        lake.scan("events").collect().sort(pl.all()).rows(),
        buckets,
        joined,
        sorted(forgotten.interactions.values()),
        deleted.files,
        len(list(Path(lake.root).rglob("*.parquet"))),
    ]
