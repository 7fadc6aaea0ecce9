"""MovieLens: the layouts of 100K (`u.data`, `u.item`), 1M (`ratings.dat`, `movies.dat`), and 20M and later (CSV).

Beside the published files a folder may hold `items.parquet` (movie_id, title, genres, `plot`, `dbpedia_abstract`,
and `mpaa`, `director`, `writer`, `actors`) and `posters.parquet` (movie_id, jpeg), which give the movies texts, tags
and images. Their year, a number, stands at the end of their titles.
Source: https://grouplens.org/datasets/movielens/ (Harper and Konstan, 2015).
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal

import polars as pl
from polars.exceptions import PolarsError
from pydantic import Field

from assets.sources.contract import dated, tagged
from assets.sources.formats.delimited import Dialect, delimited_blocks
from assets.sources.formats.parquet import parquet_columns
from assets.sources.formats.streamed import streamed
from assets.sources.paths import expanded
from assets.sources.source import LandedFile, Outside, RawTable, Snapshot, SourceError, because, of_one_schema
from assets.validation.times import TimestampUnit, as_epoch_ms
from models.columns import (
    ACTION,
    AVAILABLE_FROM,
    CATEGORIES,
    DAY,
    DESCRIPTION,
    IMAGE_BYTES,
    ITEM_ID,
    MALFORMED,
    NUMBERS,
    SOURCE_FILE,
    SOURCE_ROW,
    TAGS,
    TIMESTAMP,
    TITLE,
    USER_ID,
    VALUE,
)
from models.strict import Strict
from storage.literal_paths import read_parquet, scan_parquet

RATINGS = ("ratings.dat", "ratings.dat.gz", "ratings.csv", "ratings.csv.gz", "u.data", "u.data.gz")
MOVIES = ("u.item", "items.parquet", "movies.dat", "movies.csv", "movies.csv.gz")
POSTERS = "posters.parquet"
CREDITS = {"mpaa": None, "director": ",", "writer": ",", "actors": ","}
"""Columns that become tags, and what parts the names in them."""

YEAR = r"\((\d{4})\)\s*$"
NO_GENRES = "(no genres listed)"


RATING: dict[str, pl.DataType] = {USER_ID: pl.Int64(), ITEM_ID: pl.Int64(), VALUE: pl.Float64(), TIMESTAMP: pl.Int64()}
MOVIE: dict[str, pl.DataType] = {ITEM_ID: pl.Int64(), TITLE: pl.String(), CATEGORIES: pl.String()}

UNKNOWN_GENRE = "unknown"
GENRES_100K = (
    *("Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy"),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
"""The last columns of `u.item`, each 0 or 1; before them stands that of UNKNOWN_GENRE."""


class MovieLensSettings(Strict):
    """A folder with MovieLens as it was unpacked."""

    kind: Literal["movielens"]
    path: str = Field(min_length=1, description="The folder; environment variables are expanded.")


class MovieLens:
    """Ratings as events (action `rating`, value the stars, timestamp in seconds), movies as items of the first day.

    Args:
        settings: Where the folder is.
        first_day: First day of the profile, to which all movies belong.
    """

    snapshot: Snapshot = "changes"

    def __init__(self, settings: MovieLensSettings, first_day: date) -> None:
        self.settings = settings
        self.first_day = first_day

    def land(self, table: RawTable, days: Sequence[date]) -> list[LandedFile]:
        """The one file of `table`, standing under each of `days`.

        Raises:
            SourceError: the folder or the file is missing or empty.
        """
        path = self._file(RATINGS if table == "events" else MOVIES)
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty: unpack MovieLens again")
        return [LandedFile.at(path, day) for day in days]

    def columns(self, table: RawTable) -> Mapping[str, str]:
        return {}

    def timestamp_unit(self, table: RawTable) -> TimestampUnit:
        return "s"

    def read(
        self, table: RawTable, files: Sequence[LandedFile], days: Sequence[date], outside: Outside | None = None
    ) -> list[pl.LazyFrame]:
        """The raw rows of `days`; each file is read once however many days there are.

        A rating of an implausible time counts to the earliest of `days`.

        Raises:
            SourceError: a file is damaged.
        """
        paths = [Path(name) for name in dict.fromkeys(file.path for file in files)]
        tables = [self._ratings(path, min(days)) if table == "events" else self._movies(path) for path in paths]
        rows = [_marked(rows, path) for rows, path in zip(tables, paths, strict=True)]
        if outside is not None and table == "events":
            rows = [outside.counted(frame) for frame in rows]
        return [frame.filter(pl.col(DAY).is_in(list(days))) for frame in of_one_schema(rows)]

    def _ratings(self, path: Path, undated: date) -> pl.LazyFrame:
        moment = pl.from_epoch(as_epoch_ms(TIMESTAMP, pl.Int64(), "s"), "ms")
        return dated(scan_ratings(path).with_columns(pl.lit("rating").alias(ACTION)), moment, undated)

    def _movies(self, path: Path) -> pl.LazyFrame:
        movies = read_movies(path).lazy()
        posters = path.with_name(POSTERS)
        if posters.exists():
            parquet_columns(posters)
            images = scan_parquet(posters).select(
                pl.col("movie_id").cast(pl.Int64).alias(ITEM_ID), pl.col("jpeg").alias(IMAGE_BYTES)
            )
            movies = movies.join(images, on=ITEM_ID, how="left", maintain_order="left")
        year = pl.col(TITLE).str.extract(YEAR).cast(pl.Int64).alias("year")
        return movies.with_columns(
            pl.struct(year).alias(NUMBERS),
            pl.lit(None, dtype=pl.Datetime("ms", "UTC")).alias(AVAILABLE_FROM),
            pl.lit(self.first_day).alias(DAY),
        )

    def _file(self, names: Sequence[str]) -> Path:
        folder = Path(expanded(self.settings.path, "source.path"))
        found = [folder / name for name in names if (folder / name).is_file()]
        if not found:
            raise SourceError(
                f"{folder} holds none of {', '.join(names)}: set source.path to the folder of an unpacked MovieLens"
            )
        return found[0].absolute()


def scan_ratings(path: Path) -> pl.LazyFrame:
    """(user_id, item_id, value, timestamp) in file order, block by block; timestamps in Unix seconds.

    Raises:
        SourceError: while rows are collected: the file is damaged.
    """
    return streamed(partial(_intact, path, tuple(RATING), RATING), RATING)


def read_ratings(path: Path) -> pl.DataFrame:
    """All rows of `scan_ratings`.

    Raises:
        SourceError: the file is damaged.
    """
    return scan_ratings(path).collect()


def read_movies(path: Path) -> pl.DataFrame:
    """(item_id, title, description, categories, tags) in file order; texts and tags are null where none were added.

    Raises:
        SourceError: the file is damaged.
    """
    if path.suffix == ".parquet":
        return _movies_parquet(path)
    movies = _movies_100k(path) if path.name == "u.item" else _movies_text(path)
    nothing = [pl.lit(None, pl.String).alias(DESCRIPTION), pl.lit(None, pl.List(pl.String)).alias(TAGS)]
    return movies.with_columns(nothing).select(ITEM_ID, TITLE, DESCRIPTION, CATEGORIES, TAGS)


def _dialect(path: Path, names: tuple[str, ...]) -> Dialect:
    """How the files of each layout are written; the CSV alone has a header."""
    if ".csv" in path.name:
        return Dialect()
    delimiters = {"ratings.dat": "::", "movies.dat": "::", "u.data": "\t", "u.item": "|"}
    return Dialect(delimiters[path.name.removesuffix(".gz")], "latin-1", names, quoted=False)


def _intact(path: Path, names: tuple[str, ...], types: dict[str, pl.DataType]) -> Iterator[pl.DataFrame]:
    """Blocks of rows with the columns of `types`.

    Args:
        names: The file's columns, from its first one on.
        types: Those of them that are wanted, which no row may lack.

    Raises:
        SourceError: a line lacks a field or has one of the wrong type: no published file has such a line.
    """
    for block in delimited_blocks(path, _dialect(path, names)):
        rows = block.rename(dict(zip(block.columns, names, strict=False)))
        if len(block.columns) - len((SOURCE_ROW, MALFORMED)) < len(names):
            raise SourceError(f"{path} is damaged (it has fewer than {len(names)} columns): unpack MovieLens again")
        typed = rows.select(pl.col(name).cast(dtype, strict=False) for name, dtype in types.items())
        broken = typed.select(pl.any_horizontal(pl.all().is_null())).to_series().arg_true()
        if len(broken):
            row = block[SOURCE_ROW][broken[0]]
            raise SourceError(f"{path} is damaged (row {row} lacks a field or has a wrong one): unpack MovieLens again")
        yield typed


def _movies_text(path: Path) -> pl.DataFrame:
    genres = pl.col(CATEGORIES)
    movies = pl.concat(_intact(path, tuple(MOVIE), MOVIE))
    return movies.with_columns(pl.when(genres != NO_GENRES).then(genres.str.split("|")))


def _movies_100k(path: Path) -> pl.DataFrame:
    names = (ITEM_ID, TITLE, "released", "released on video", "address", UNKNOWN_GENRE, *GENRES_100K)
    types = {ITEM_ID: pl.Int64(), TITLE: pl.String()} | dict.fromkeys(GENRES_100K, pl.Int64())
    named = pl.concat_list(pl.when(pl.col(genre) == 1).then(pl.lit(genre)) for genre in GENRES_100K).list.drop_nulls()
    movies = pl.concat(_intact(path, names, types))
    return movies.select(ITEM_ID, TITLE, pl.when(named.list.len() > 0).then(named).alias(CATEGORIES))


def _movies_parquet(path: Path) -> pl.DataFrame:
    there = parquet_columns(path)
    texts = [pl.col(name) for name in ("plot", "dbpedia_abstract") if name in there]
    described = pl.concat_str(*texts, separator="\n", ignore_nulls=True) if texts else pl.lit(None, pl.String)
    try:
        movies = read_parquet(path)
    except (PolarsError, OSError) as error:
        raise SourceError(f"{path} is damaged ({because(error)}): write it again") from error
    return movies.select(
        pl.col("movie_id").cast(pl.Int64).alias(ITEM_ID),
        pl.col("title").alias(TITLE),
        pl.when(described != "").then(described).alias(DESCRIPTION),
        pl.col("genres").alias(CATEGORIES),
        pl.concat_list([pl.lit([], pl.List(pl.String)), *_credits(there)]).alias(TAGS),
    )


def _credits(there: Collection[str]) -> list[pl.Expr]:
    """Who made a movie, and for whom: names with their column, and of writers without what they wrote."""
    found = []
    for column, parted in CREDITS.items():
        if column in there:
            text = pl.col(column).fill_null("")
            names = text.str.split(parted) if parted else pl.concat_list(text)
            names = names.list.eval(pl.element().str.replace(r"\(.*$", "").str.strip_chars())
            found.append(tagged(names, column))
    return found


def _marked(rows: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    """`rows` of the whole file with their origin; none is malformed, or reading had failed."""
    return rows.with_row_index(SOURCE_ROW).with_columns(
        pl.col(SOURCE_ROW).cast(pl.Int64),
        pl.lit(str(path)).alias(SOURCE_FILE),
        pl.lit(None, dtype=pl.String).alias(MALFORMED),
    )
