import gzip
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.sources.movielens import MovieLens, MovieLensSettings
from assets.sources.source import RawTable, SourceError
from tests.assets.sources.validating import judged
from tests.real_data import DATA, needs

FIRST = date(2000, 4, 25)
"""956620800 s."""

RATINGS = "7::1193::5::956620800\n7::661::3::956707200\n8::914::4::956707199\n"
MULAN = "Mulan: the \xe9dition (1998)"
MOVIES = f"661::{MULAN}::Animation|Children's\n914::Nobody (1999)::(no genres listed)\n"


def _read(folder: Path, table: RawTable, days: list[date], first_day: date = FIRST) -> pl.DataFrame:
    source = MovieLens(MovieLensSettings(kind="movielens", path=str(folder)), first_day)
    return pl.concat(source.read(table, source.land(table, days), days)).collect()


@pytest.fixture
def published(tmp_path: Path) -> Path:
    (tmp_path / "ratings.dat").write_text(RATINGS)
    (tmp_path / "movies.dat").write_text(MOVIES, encoding="latin-1")
    return tmp_path


def test_ratings_of_a_day_keep_their_row_in_the_file(published: Path) -> None:
    rows = _read(published, "events", [FIRST])
    assert rows.select("user_id", "item_id", "value", "timestamp", "action", "source_row").rows() == [
        (7, 1193, 5.0, 956620800, "rating", 0),
        (8, 914, 4.0, 956707199, "rating", 2),
    ]
    assert rows["day"].to_list() == [FIRST, FIRST]
    assert rows["malformed"].null_count() == 2
    assert _read(published, "events", [FIRST + timedelta(days=1)])["item_id"].to_list() == [661]


def test_movies_belong_to_the_first_day(published: Path) -> None:
    rows = _read(published, "items", [FIRST, FIRST + timedelta(days=1)])
    assert rows.select("item_id", "title", "categories", "description", "day").rows() == [
        (661, MULAN, ["Animation", "Children's"], None, FIRST),
        (914, "Nobody (1999)", None, None, FIRST),
    ]
    assert _read(published, "items", [FIRST + timedelta(days=1)]).height == 0


@pytest.mark.parametrize("zipped", [False, True])
def test_csv_layout_reads_as_the_dat_layout_does(published: Path, tmp_path: Path, zipped: bool) -> None:
    folder = tmp_path / "csv"
    folder.mkdir()
    ratings = "userId,movieId,rating,timestamp\n" + RATINGS.replace("::", ",")
    movies = f'movieId,title,genres\n661,"{MULAN}",Animation|Children\'s\n914,Nobody (1999),(no genres listed)\n'
    for name, text in (("ratings.csv", ratings), ("movies.csv", movies)):
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)
    days = [FIRST, FIRST + timedelta(days=1)]
    for table in ("events", "items"):
        ours, theirs = _read(folder, table, days), _read(published, table, days)
        assert ours.drop("source_file").equals(theirs.drop("source_file"))


def test_what_is_added_becomes_texts_tags_and_images(published: Path) -> None:
    pl.DataFrame(
        {
            "movie_id": [1, 2, 3],
            "title": ["a (1999)", "b", "c (1999) or so"],
            "genres": [["x"], ["y"], ["z"]],
            "plot": ["plot", None, None],
            "dbpedia_abstract": ["abstract", "abstract", None],
            "mpaa": ["R", "", None],
            "director": ["A. One, B. Two", None, " "],
            "writer": ["A. One (play), A. One (screenplay)", "C. Three", None],
        }
    ).write_parquet(published / "items.parquet")
    pl.DataFrame({"movie_id": [3, 1], "jpeg": [b"three", b"one"]}).write_parquet(published / "posters.parquet")
    rows = _read(published, "items", [FIRST])
    assert rows.select("item_id", "description", "image_bytes").rows() == [
        (1, "plot\nabstract", b"one"),
        (2, "abstract", None),
        (3, None, b"three"),
    ]
    credits = ["mpaa=R", "director=A. One", "director=B. Two", "writer=A. One"]
    assert rows["tags"].to_list() == [credits, ["writer=C. Three"], []]
    assert rows["numbers"].struct.field("year").to_list() == [1999, None, None]


def test_a_folder_without_movielens_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds none of ratings\.dat, .*set source\.path"):
        _read(tmp_path, "events", [FIRST])


def test_an_unset_variable_in_the_path_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_FOLDER", raising=False)
    with pytest.raises(SourceError, match=r"environment variable NO_SUCH_FOLDER is not set"):
        _read(Path("$NO_SUCH_FOLDER"), "events", [FIRST])


@pytest.mark.parametrize("text", ["", "7::1193::5::956620800\n7::661::3", "7::x::5::956620800\n"])
def test_a_damaged_ratings_file_stops_with_its_name(published: Path, text: str) -> None:
    (published / "ratings.dat").write_text(text)
    with pytest.raises(SourceError, match=r"ratings\.dat is (empty|damaged).*unpack MovieLens again"):
        _read(published, "events", [FIRST])


def test_a_csv_that_lacks_a_column_stops_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n7,1193,5\n")
    with pytest.raises(SourceError, match=r"ratings\.csv is damaged \(it has fewer than 4 columns"):
        _read(tmp_path, "events", [FIRST])


def test_a_truncated_archive_stops_with_its_name(published: Path) -> None:
    (published / "ratings.dat").unlink()
    whole = gzip.compress((RATINGS * 5_000).encode())
    (published / "ratings.dat.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SourceError, match=r"ratings\.dat\.gz cannot be read"):
        _read(published, "events", [FIRST])


@needs(DATA / "ml-1m")
def test_movielens_1m_is_complete() -> None:
    days = [FIRST + timedelta(days=n) for n in range(1_040)]
    ratings, movies = _read(DATA / "ml-1m", "events", days), _read(DATA / "ml-1m", "items", days)
    assert ratings.height == 1_000_209
    assert ratings["user_id"].n_unique() == 6_040
    assert ratings["day"].max() == date(2003, 2, 28)
    assert movies.height == 3_883
    assert movies["image_bytes"].null_count() == 11


@pytest.mark.parametrize("zipped", [False, True])
def test_the_layout_of_100k_is_read(tmp_path: Path, zipped: bool) -> None:
    ratings = RATINGS.replace("::", "\t").encode()
    (tmp_path / ("u.data.gz" if zipped else "u.data")).write_bytes(gzip.compress(ratings) if zipped else ratings)
    flags = "|".join("1" if place in (3, 4) else "0" for place in range(19))
    (tmp_path / "u.item").write_text(
        f"661|{MULAN}|05-Jun-1998||http://example.org|{flags}\n914|unknown||||1{'|0' * 18}\n", encoding="latin-1"
    )
    assert _read(tmp_path, "events", [FIRST])["user_id"].to_list() == [7, 8]
    assert _read(tmp_path, "items", [FIRST]).select("item_id", "title", "categories").rows() == [
        (661, MULAN, ["Animation", "Children's"]),
        (914, "unknown", None),
    ]


@needs(DATA / "ml-100k")
def test_movielens_100k_is_complete(tmp_path: Path) -> None:
    first = date(1997, 9, 20)
    days = [first + timedelta(days=n) for n in range(215)]
    ratings, movies = _read(DATA / "ml-100k", "events", days, first), _read(DATA / "ml-100k", "items", days, first)
    assert (ratings.height, ratings["user_id"].n_unique()) == (100_000, 943)
    assert ratings["day"].max() == date(1998, 4, 22)
    assert movies.height == 1_682
    source = MovieLens(MovieLensSettings(kind="movielens", path=str(DATA / "ml-100k")), first)
    accepted, reasons = judged(source, days, ["rating"], "int64", tmp_path)
    assert (accepted.height, reasons.total()) == (100_000, 0)


@needs(DATA / "ml-latest-small")
def test_movielens_latest_small_is_complete() -> None:
    first = date(1996, 3, 29)
    days = [first + timedelta(days=n) for n in range(8_216)]
    assert _read(DATA / "ml-latest-small", "events", days, first).height == 100_836
    assert _read(DATA / "ml-latest-small", "items", days, first).height == 9_742


@pytest.mark.parametrize("seconds", ["-5", "9999999999999", "3000000000000000000"])
def test_a_rating_of_an_impossible_time_is_put_aside_on_the_first_day(published: Path, seconds: str) -> None:
    (published / "ratings.dat").write_text(RATINGS.replace("956707199", seconds))
    source = MovieLens(MovieLensSettings(kind="movielens", path=str(published)), FIRST)
    days = [FIRST, FIRST + timedelta(days=1)]
    accepted, reasons = judged(source, days, ["rating"], "int64", published)
    assert accepted["item_id"].to_list() == [1193, 661]
    assert reasons.total() == 1
