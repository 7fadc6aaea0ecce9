"""MovieLens: the 1M layout (`ratings.dat`, `movies.dat`) and the CSV layout of latest-small, 20M, 25M and 32M.

Beside the published files a folder may hold `items.parquet` (movie_id, title, genres, and `plot` or
`dbpedia_abstract`) and `posters.parquet` (movie_id, jpeg), which give the movies texts and images.
Source: https://grouplens.org/datasets/movielens/ (Harper and Konstan, 2015).
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Literal

import polars as pl
from polars.exceptions import PolarsError
from pydantic import BaseModel, ConfigDict, Field

from assets.quality.casts import TimestampUnit
from assets.sources.formats.parquet import parquet_columns
from assets.sources.paths import expanded
from assets.sources.source import LandedFile, RawTable, SourceError, because
from models.columns import (
    ACTION,
    AVAILABLE_FROM,
    CATEGORIES,
    DAY,
    DESCRIPTION,
    IMAGE_BYTES,
    ITEM_ID,
    MALFORMED,
    SOURCE_FILE,
    SOURCE_ROW,
    TIMESTAMP,
    TITLE,
    USER_ID,
    VALUE,
)

RATINGS = ("ratings.dat", "ratings.dat.gz", "ratings.csv", "ratings.csv.gz")
MOVIES = ("items.parquet", "movies.dat", "movies.csv", "movies.csv.gz")
POSTERS = "posters.parquet"
NO_GENRES = "(no genres listed)"


class MovieLensSettings(BaseModel):
    """A folder with MovieLens as it was unpacked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["movielens"]
    path: str = Field(min_length=1, description="The folder; environment variables are expanded.")


class MovieLens:
    """Ratings as events (action `rating`, value the stars, timestamp in seconds), movies as items of the first day.

    Args:
        settings: Where the folder is.
        first_day: First day of the profile, to which all movies belong.
    """

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

    def timestamp_unit(self, table: RawTable) -> TimestampUnit:
        return "s"

    def read(self, table: RawTable, files: Sequence[LandedFile], days: Sequence[date]) -> pl.LazyFrame:
        """The raw rows of `days`; each file is read once however many days there are.

        Raises:
            SourceError: a file is damaged.
        """
        paths = [Path(name) for name in dict.fromkeys(file.path for file in files)]
        rows = [_marked(self._ratings(path) if table == "events" else self._movies(path), path) for path in paths]
        return pl.concat(rows).filter(pl.col(DAY).is_in(list(days)))

    def _ratings(self, path: Path) -> pl.LazyFrame:
        day = pl.from_epoch(TIMESTAMP, "s").dt.date().alias(DAY)
        return read_ratings(path).lazy().with_columns(pl.lit("rating").alias(ACTION), day)

    def _movies(self, path: Path) -> pl.LazyFrame:
        movies = read_movies(path).lazy()
        posters = path.with_name(POSTERS)
        if posters.exists():
            parquet_columns(posters)
            images = pl.scan_parquet(posters).select(
                pl.col("movie_id").cast(pl.Int64).alias(ITEM_ID), pl.col("jpeg").alias(IMAGE_BYTES)
            )
            movies = movies.join(images, on=ITEM_ID, how="left", maintain_order="left")
        return movies.with_columns(
            pl.lit(None, dtype=pl.Datetime("ms", "UTC")).alias(AVAILABLE_FROM), pl.lit(self.first_day).alias(DAY)
        )

    def _file(self, names: Sequence[str]) -> Path:
        folder = Path(expanded(self.settings.path, "source.path"))
        found = [folder / name for name in names if (folder / name).is_file()]
        if not found:
            raise SourceError(
                f"{folder} holds none of {', '.join(names)}: set source.path to the folder of an unpacked MovieLens"
            )
        return found[0].absolute()


def read_ratings(path: Path) -> pl.DataFrame:
    """(user_id, item_id, value, timestamp) in file order; timestamps in Unix seconds.

    Raises:
        SourceError: the file is damaged.
    """
    types = [pl.Int64(), pl.Int64(), pl.Float64(), pl.Int64()]
    names = [USER_ID, ITEM_ID, VALUE, TIMESTAMP]
    columns: dict[str, pl.DataType] = dict(zip(names, types, strict=True))
    # "::" reads as ":" with an empty column between every two; polars takes only one-byte separators.
    dotted = {k: t for name, dtype in columns.items() for k, t in ((name, dtype), (f"{name}:", pl.String()))}
    dotted.pop(f"{TIMESTAMP}:")
    csv = ".csv" in path.name
    layout = {"separator": ",", "skip_rows": 1, "schema": columns} if csv else {"separator": ":", "schema": dotted}
    try:
        rows = pl.read_csv(path, has_header=False, **layout).select(names)
    except (PolarsError, OSError) as error:
        raise SourceError(f"{path} is damaged ({because(error)}): unpack MovieLens again") from error
    broken = rows.filter(pl.any_horizontal(pl.all().is_null()))
    if broken.height:
        raise SourceError(f"{path} is damaged ({broken.height} lines lack a field): unpack MovieLens again")
    return rows


def read_movies(path: Path) -> pl.DataFrame:
    """(item_id, title, description, categories) in file order; the description is null where no text was added.

    Raises:
        SourceError: the file is damaged.
    """
    try:
        if path.suffix == ".parquet":
            return _movies_parquet(path)
        return (_movies_csv if ".csv" in path.name else _movies_dat)(path).with_columns(
            pl.when(pl.col(CATEGORIES) != NO_GENRES).then(pl.col(CATEGORIES).str.split("|")),
            pl.lit(None, dtype=pl.String).alias(DESCRIPTION),
        )
    except (PolarsError, OSError) as error:
        raise SourceError(f"{path} is damaged ({because(error)}): unpack MovieLens again") from error


def _movies_parquet(path: Path) -> pl.DataFrame:
    there = parquet_columns(path)
    texts = [pl.col(name) for name in ("plot", "dbpedia_abstract") if name in there]
    return pl.read_parquet(path).select(
        pl.col("movie_id").cast(pl.Int64).alias(ITEM_ID),
        pl.col("title").alias(TITLE),
        pl.coalesce(*texts, pl.lit(None, dtype=pl.String)).alias(DESCRIPTION),
        pl.col("genres").alias(CATEGORIES),
    )


def _movies_csv(path: Path) -> pl.DataFrame:
    columns = {ITEM_ID: pl.Int64(), TITLE: pl.String(), CATEGORIES: pl.String()}
    return pl.read_csv(path, has_header=False, skip_rows=1, schema=columns)


def _movies_dat(path: Path) -> pl.DataFrame:
    lines = pl.Series("line", path.read_text(encoding="latin-1").splitlines()).to_frame()
    parts = pl.col("line").str.split("::").list.to_struct(fields=[ITEM_ID, TITLE, CATEGORIES])
    return lines.select(parts).unnest("line").with_columns(pl.col(ITEM_ID).cast(pl.Int64))


def _marked(rows: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    """`rows` of the whole file with their origin; none is malformed, or reading had failed."""
    return rows.with_row_index(SOURCE_ROW).with_columns(
        pl.col(SOURCE_ROW).cast(pl.Int64),
        pl.lit(str(path)).alias(SOURCE_FILE),
        pl.lit(None, dtype=pl.String).alias(MALFORMED),
    )
