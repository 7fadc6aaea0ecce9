"""MovieLens-1M as Meta's protocol reads it (HSTU spec section 4): all ratings, one row per user, the end held out.

Items are numbered as the rows of movies.dat, rated or not: 3,883 in the published file. Ratings of a user are
sorted by (timestamp, place in the file), or by the place counted from the end, so that ties, of which MovieLens has
many, always fall the same way; Meta's own sort leaves them open, and with them up to a quarter of the held-out items.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

from assets.sources.movielens import RATINGS, read_movies, read_ratings
from models.columns import ITEM_ID, ITEM_INDEX, TIMESTAMP, USER_ID, VALUE
from models.interactions import Interactions
from models.vocabulary import Vocabulary

MOVIES = "movies.dat"

Ties = Literal["file", "reversed"]
"""How ratings of one second follow each other: as in the file, or the other way round."""


@dataclass(frozen=True)
class Ratings:
    """All users with all their ratings, oldest first, `value` being the stars; items are 1..items."""

    histories: Interactions
    items: int


@dataclass(frozen=True)
class HeldOut:
    """One item per user set apart, and what came before it: at once the history to rank from and the training data.

    Attributes:
        histories: B users.
        targets: (B,) int64 item indices.
        times: (B,) int64 ms, when the target was rated.
        items: Rows 1..items are the candidates, and the pool of negatives.
    """

    histories: Interactions
    targets: np.ndarray
    times: np.ndarray
    items: int


def read(folder: Path | None, ties: Ties = "file") -> Ratings:
    """The ratings in `folder`, that of an unpacked MovieLens-1M.

    Raises:
        FileNotFoundError: it holds no ratings or no movies.dat.
        SourceError: a file is damaged.
        ValueError: a movie was rated that movies.dat does not list.
    """
    if folder is None:
        raise FileNotFoundError("the folder of MovieLens-1M is not known: give --data or set GENREC_ML1M")
    found = [folder / name for name in RATINGS if (folder / name).is_file()]
    if not found or not (folder / MOVIES).is_file():
        raise FileNotFoundError(f"{folder} lacks ratings.dat or movies.dat: unpack MovieLens-1M there")
    movies = read_movies(folder / MOVIES)[ITEM_ID]
    ratings = read_ratings(found[0])
    # Sorting must be stable: the order of the rows decides between ratings of one second.
    ratings = (ratings if ties == "file" else ratings.reverse()).sort(USER_ID, TIMESTAMP, maintain_order=True)
    index = Vocabulary.untrained(movies).indices(ratings[ITEM_ID])
    if not index.all():
        unknown = ratings[ITEM_ID][int(np.argmin(index))]
        raise ValueError(f"movie {unknown} was rated but {folder / MOVIES} does not list it: unpack MovieLens-1M again")
    counts = ratings.group_by(USER_ID, maintain_order=True).len()["len"].to_numpy()
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    columns = {
        ITEM_INDEX: index,
        TIMESTAMP: ratings[TIMESTAMP].to_numpy() * 1000,
        VALUE: ratings[VALUE].cast(pl.Float32).to_numpy(),
    }
    return Ratings(Interactions(offsets, columns), len(movies))


def hold_out(ratings: Ratings, place: int) -> HeldOut:
    """Sets the rating at `place` from the end apart, 1 is the last; what comes after it is dropped.

    Raises:
        ValueError: a user has too few ratings to learn from the rest.
    """
    histories = ratings.histories
    short = histories.lengths < place + 2
    if short.any():
        user = int(np.argmax(short))
        raise ValueError(f"user {user} has {histories.lengths[user]} ratings: with {place} held out, two must remain")
    targets = histories.offsets[1:] - place
    kept = np.ones(len(histories.item_index), bool)
    for back in range(1, place + 1):
        kept[histories.offsets[1:] - back] = False
    return HeldOut(histories.where(kept), histories.item_index[targets], histories.timestamps[targets], ratings.items)


def write_imitation(folder: Path, users: int = 48, movies: int = 60, seed: int = 0) -> Path:
    """A small folder in MovieLens' format: users go through the movies in steps of one to three, stars by movie."""
    generator = np.random.default_rng(seed)
    lines = []
    for user in range(1, users + 1):
        steps = generator.integers(1, 4, size=generator.integers(8, 20))
        watched = (generator.integers(movies) + np.cumsum(steps)) % movies + 1
        times = 978_300_000 + np.cumsum(generator.integers(0, 90_000, len(watched)))
        lines += [f"{user}::{movie}::{1 + movie % 5}::{time}" for movie, time in zip(watched, times, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ratings.dat").write_text("\n".join(lines) + "\n")
    listed = [f"{movie}::Film {movie} (2000)::Drama" for movie in range(1, movies + 1)]
    (folder / MOVIES).write_text("\n".join(listed) + "\n")
    return folder
