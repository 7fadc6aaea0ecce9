"""Answers requests from a loaded release. The same scoring as in the offline evaluation, then filters and top-k."""

import logging
from collections.abc import Callable

import numpy as np

from models.history import Histories
from models.inference import as_read, score, similar
from serving.ids import stored_series
from serving.index import top_k
from serving.loaded import LoadedRelease
from serving.schema import (
    HistoryItem,
    RankedItem,
    RecommendationRequest,
    Recommendations,
    SimilarItems,
    SimilarRequest,
)
from serving.shelf import Shelf

logger = logging.getLogger(__name__)

LONGEST_SILENCE_MS = 24 * 60 * 60 * 1000
"""Requests are dated at most a day after the newest interaction. Live logs are never older than that; with an archive
of another year, the wall clock would tell the model of a silence of years that it never saw in training."""

MADE_UP_GAP_MS = 60_000
"""A history without timestamps is taken as one interaction a minute, the last one a minute ago."""

NO_HISTORY = Histories.of([([], [])])


class NotKnown(LookupError):
    """The request names an item or category that this release does not have."""


def recommend(
    release: LoadedRelease,
    request: RecommendationRequest,
    now_ms: int,
    on_failure: Callable[[Exception], object] = lambda error: None,
) -> Recommendations:
    """The best items for a user or an explicit history; by popularity where the model has nothing to read, or fails.

    Args:
        release: What answers.
        request: What is asked.
        now_ms: Epoch milliseconds of this moment.
        on_failure: Told what the model failed with.

    Raises:
        NotKnown: no item has the category.
    """
    clock = request.at if request.at is not None else _request_time(release, now_ms)
    history, reason = _history(release, request, clock)
    shelf = _shelf(release, request, history, now_ms if request.at is None else request.at)
    scores = release.artifact.vocabulary.popularity
    if reason is None:
        asked_at = max(clock, int(history.timestamps[-1]))
        try:
            scores = score(release.artifact, history, np.array([asked_at], np.int64))[0].numpy()
        except Exception as error:
            # Whatever it is, somebody waits for an answer: popularity needs no model.
            logger.exception("the model failed on a request; popularity answered it")
            on_failure(error)
            reason = f"version {release.config.version} failed on this history"
    best = top_k(scores, shelf.left, request.k)
    shortage = shelf.shortage(len(best), request.k)
    return Recommendations(
        items=_ranked(release, best, scores),
        version=release.config.version,
        source="model" if reason is None else "popularity",
        reason=reason or (shortage.detail if shortage and not len(best) else None),
        shortage=shortage,
        history_length=min(len(as_read(release.artifact, history).rows), release.artifact.model.config.max_length),
    )


def similar_items(release: LoadedRelease, request: SimilarRequest, now_ms: int) -> SimilarItems:
    """The nearest items in the model's space.

    Raises:
        NotKnown: the item is not in the vocabulary.
    """
    vocabulary = release.artifact.vocabulary
    row = int(vocabulary.rows(stored_series([request.item_id], vocabulary.item_ids.dtype))[0])
    if not row:
        raise NotKnown(f"item {request.item_id!r} is not known to version {release.config.version}")
    scores = similar(release.artifact, row).numpy()
    shelf = Shelf.at(release.catalogue, now_ms)
    shelf.take("excluded", np.arange(len(scores)) == row)
    nearest = top_k(scores, shelf.left, request.k)
    itself = np.ones_like(scores)
    return SimilarItems(
        item=_ranked(release, np.array([row]), itself)[0],
        items=_ranked(release, nearest, scores),
        version=release.config.version,
        shortage=shelf.shortage(len(nearest), request.k),
    )


def _request_time(release: LoadedRelease, now_ms: int) -> int:
    latest = release.histories.latest
    return now_ms if latest is None else min(now_ms, latest + LONGEST_SILENCE_MS)


def _history(release: LoadedRelease, request: RecommendationRequest, clock: int) -> tuple[Histories, str | None]:
    """The known interactions of the request's user; where there are none, the reason besides."""
    if request.user_id is not None:
        found, whose = release.histories.of(request.user_id), f"the history of user {request.user_id!r}"
    else:
        found, whose = _explicit(release, request.history or [], clock), "the given history"
    if found is None:
        return NO_HISTORY, f"{whose} is not known: a new user, or one without a positive interaction"
    if not len(found.rows):
        return NO_HISTORY, f"{whose} is empty"
    if request.at is not None:
        found, whose = _until(found, request.at), f"{whose} up to then"
    known = found.known()
    if not len(known.rows):
        return NO_HISTORY, f"{whose} holds no item that version {release.config.version} knows"
    return known, None


def _until(history: Histories, at: int) -> Histories:
    """What one user had done by the moment `at`."""
    return history.where(history.timestamps <= at)


def _explicit(release: LoadedRelease, items: list[HistoryItem], clock: int) -> Histories:
    vocabulary = release.artifact.vocabulary
    rows = vocabulary.rows(stored_series([item.item_id for item in items], vocabulary.item_ids.dtype))
    times = [
        clock - MADE_UP_GAP_MS * (len(items) - place) if item.timestamp is None else item.timestamp
        for place, item in enumerate(items)
    ]
    return Histories.of([(rows.tolist(), times)])


def _shelf(release: LoadedRelease, request: RecommendationRequest, history: Histories, now_ms: int) -> Shelf:
    """What is available, of the category, not seen and not excluded."""
    shelf = Shelf.at(release.catalogue, now_ms)
    if request.category is not None:
        shelf.take("of_other_categories", ~_in_category(release, request.category))
    if request.exclude_seen:
        shelf.take("seen", shelf.marked(history.rows))
    if request.exclude_items:
        vocabulary = release.artifact.vocabulary
        excluded = vocabulary.rows(stored_series(request.exclude_items, vocabulary.item_ids.dtype))
        shelf.take("excluded", shelf.marked(excluded))
    return shelf


def _in_category(release: LoadedRelease, category: str) -> np.ndarray:
    rows = release.catalogue.rows_by_category.get(category)
    if rows is None:
        known = ", ".join(sorted(release.catalogue.rows_by_category)[:20])
        raise NotKnown(f"no item has the category {category!r}; there are: {known}")
    mask = np.zeros(len(release.catalogue.titles), bool)
    mask[rows] = True
    return mask


def _ranked(release: LoadedRelease, rows: np.ndarray, scores: np.ndarray) -> list[RankedItem]:
    places = rows.tolist()
    return [
        RankedItem(item_id=item_id, title=title, categories=categories, score=value)
        for item_id, title, categories, value in zip(
            release.artifact.vocabulary.ids(rows).to_list(),
            release.catalogue.titles.gather(places).to_list(),
            release.catalogue.categories.gather(places).to_list(),
            scores[rows].tolist(),
            strict=True,
        )
    ]
