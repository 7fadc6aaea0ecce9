"""Hand-made features of an impression, from what is known before its day: quality, leniency, affinities, neighbours.

Affinities and neighbours average residuals: what was watched beyond what the video's quality and the user's leniency
say.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit

from benchmarks.kuairand_data import Known
from benchmarks.kuairand_quality import Observations, Quality, Surfaces
from models.item_quality import FloatArray, IntArray

CLASS_PRIOR = 8.0
"""What counts for a user's affinity with a class of videos as observations at the mean."""

NEIGHBOURS, SHRINKAGE = 100, 10.0
DURATION_CLASSES = 10
ROWS_AT_ONCE = 20_000

NAMES = (
    "quality",
    "leniency",
    "idle_surfaces_of_video",
    "tab",
    "video_log_shown",
    "user_log_shown",
    "duration_affinity",
    "tag_affinity",
    "neighbour_affinity",
    "log_duration",
    "hour",
)


@dataclass(frozen=True)
class Videos:
    """What videos are, by their id.

    Attributes:
        tags: (V, G) sparse, each row's entries 1 / number of the video's tags.
        duration: (V,) seconds.
        duration_class: (V, D) sparse, one 1 a row.
    """

    tags: sparse.csr_array
    duration: FloatArray
    duration_class: sparse.csr_array

    @classmethod
    def of(cls, videos: pl.DataFrame) -> "Videos":
        ids = pl.DataFrame({"video_id": pl.Series(range(_count(videos, "video_id")), dtype=pl.Int32)})
        table = ids.join(videos, on="video_id", how="left", maintain_order="left")
        duration = table["video_duration"].fill_null(table["video_duration"].median()).to_numpy() / 1000
        edges = np.unique(np.quantile(duration, np.linspace(0, 1, DURATION_CLASSES + 1)[1:-1]))
        tags = table.select("video_id", pl.col("tag").fill_null("none").str.split(",")).explode("tag")
        rows, codes = tags["video_id"].to_numpy(), tags["tag"].rank("dense").to_numpy().astype(np.int64) - 1
        classes = np.searchsorted(edges, duration)
        return cls(
            _sparse(1 / np.bincount(rows)[rows], rows, codes, len(duration)),
            duration,
            _sparse(np.ones(len(duration)), np.arange(len(duration)), classes, len(duration)),
        )


class Features:
    """Features of any impression of the days after what is `known`.

    Args:
        surfaces: Impressions that tell on which surfaces users and videos meet.
        rates: Whether quality and leniency are rates, as counting has them, instead of a Rasch model's effects.
    """

    def __init__(self, known: Known, surfaces: pl.DataFrame, rates: bool = False) -> None:
        self._videos, self._known_users = Videos.of(known.videos), _count(known.users, "user_id")
        seen, shape = Observations.of(known), (self._known_users, len(self._videos.duration))
        self._surfaces = Surfaces.of(surfaces, *shape)
        self._quality = quality = (Quality.rates if rates else Quality.of)(seen, self._surfaces)
        expected = expit(quality.of_video[seen.videos] + quality.of_user[seen.users])
        expected *= seen.watched.sum() / expected.sum()
        self._residuals = _sparse(seen.watched - expected, seen.users, seen.videos, *shape)
        self._shown = _sparse(np.ones(len(expected)), seen.users, seen.videos, *shape)
        self._similar = _neighbours(_sparse(seen.watched, seen.users, seen.videos, *shape))

    def of(self, asked: pl.DataFrame) -> NDArray[np.float32]:
        """(T, F) float32, one column for each of `NAMES`."""
        users, videos = (asked[name].to_numpy().astype(np.int64) for name in ("user_id", "video_id"))
        columns = [
            self._quality.of_video[videos],
            self._quality.of_user[users],
            self._surfaces.of_video[videos],
            asked["tab"].to_numpy(),
            np.log1p(self._shown.sum(axis=0))[videos],
            np.log1p(self._shown.sum(axis=1))[users],
            self._affinity(self._videos.duration_class, users, videos),
            self._affinity(self._videos.tags, users, videos),
            self._neighbour_affinity(users, videos),
            np.log(self._videos.duration + 1)[videos],
            asked["hourmin"].to_numpy() // 100,
        ]
        return np.column_stack(columns).astype(np.float32)

    def _affinity(self, classes: sparse.csr_array, users: IntArray, videos: IntArray) -> FloatArray:
        """(T,) the user's mean residual in the classes of the video, drawn to 0 where there are few."""
        sums, counts = (self._residuals @ classes).toarray(), (self._shown @ classes).toarray()
        return _products(sparse.csr_array(sums / (counts + CLASS_PRIOR)), classes, users, videos)

    def _neighbour_affinity(self, users: IntArray, videos: IntArray) -> FloatArray:
        """(T,) the mean residual of what the user was shown, weighted by its similarity with the video."""
        support = _products(self._shown, self._similar, users, videos)
        return _products(self._residuals, self._similar, users, videos) / (support + 0.1)


def _neighbours(liked: sparse.csr_array) -> sparse.csr_array:
    """(V, V) cosine over the users who watched both long, with shrinkage; the nearest of each video."""
    both = (liked.T @ liked).tocoo()
    rows, columns = both.coords
    norms = np.sqrt(np.asarray(liked.power(2).sum(axis=0)).ravel())
    cosine = np.where(rows == columns, 0, both.data) / (norms[rows] * norms[columns] + SHRINKAGE)
    order = np.lexsort((-cosine, rows))
    rows, columns, cosine = rows[order], columns[order], cosine[order]
    kept = (np.arange(len(rows)) - np.searchsorted(rows, rows) < NEIGHBOURS) & (cosine > 0)
    return _sparse(cosine[kept], rows[kept], columns[kept], *both.shape)


def _products(left: sparse.csr_array, right: sparse.csr_array, rows: IntArray, columns: IntArray) -> FloatArray:
    """(T,) products of row `rows[t]` of `left` and row `columns[t]` of `right`."""
    parts = np.array_split(np.arange(len(rows)), max(1, len(rows) // ROWS_AT_ONCE))
    return np.concatenate([left[rows[part]].multiply(right[columns[part]]).sum(axis=1) for part in parts])


def _sparse(
    values: FloatArray, rows: IntArray, columns: IntArray, height: int, width: int | None = None
) -> sparse.csr_array:
    """The sum of the values at each place; as wide as need be where no width is given."""
    return sparse.csr_array((values, (rows, columns)), shape=(height, width or int(columns.max()) + 1))


def _count(table: pl.DataFrame, column: str) -> int:
    return int(table[column].to_numpy().max()) + 1
