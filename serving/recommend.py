"""Answers requests from a loaded release. The same scoring as in the offline evaluation, then filters and top-k."""

import logging
from collections.abc import Callable

import numpy as np

from models.columns import ACTIONS
from models.families.argus_towers import ArgusTowersFamily
from models.families.family import NoNeighbours, NoVectors
from models.inference import as_read
from models.interactions import Interactions
from models.recommend import Score
from models.recommend import recommend as recommend_to
from models.request_time import request_time
from models.top_k import top_k
from serving.ids import stored_series
from serving.loaded import LoadedRelease
from serving.schema import (
    Asked,
    HistoryItem,
    RankedItem,
    RecommendationRequest,
    Recommendations,
    SimilarItems,
    SimilarRequest,
    UserVector,
    VectorRequest,
)
from serving.shelf import Shelf

logger = logging.getLogger(__name__)

MADE_UP_GAP_MS = 60_000
"""A history without timestamps is taken as one interaction a minute, the last one a minute ago."""

NO_HISTORY = Interactions.of([([], [])])


class NotKnown(LookupError):
    """The request names an item or category that this release does not have."""


class NotOffered(LookupError):
    """The request asks for what this release cannot tell."""


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
    clock = request_time(request.at, now_ms, release.histories.latest)
    history, reason = _history(release, request, clock)
    seen = release.histories.chosen(history)
    shelf = _shelf(release, request, seen, now_ms if request.at is None else request.at)

    def failed(error: Exception) -> None:
        # Whatever it is, a client waits for an answer: popularity needs no model.
        nonlocal reason
        logger.exception("the model failed on a request; popularity answered it")
        on_failure(error)
        reason = f"version {release.config.version} failed on this history"

    asked_at, allowed = np.array([clock], np.int64), shelf.left[None]
    vector = _vector(release, request)
    best = recommend_to(release.artifact, history, asked_at, allowed, request.k, failed, vector)
    found = best.items[0] > 0
    items, scores = best.items[0][found], best.scores[0][found]
    shortage = shelf.shortage(len(items), request.k)
    return Recommendations(
        items=_ranked(release, items, scores),
        version=release.config.version,
        family=release.artifact.family.name,
        source="model" if best.by_model[0] else "popularity",
        reason=reason or (shortage.detail if shortage and not len(items) else None),
        shortage=shortage,
        history_length=_read(release, history),
        from_batch=vector is not None and bool(best.by_model[0]),
    )


def similar_items(release: LoadedRelease, request: SimilarRequest, now_ms: int) -> SimilarItems:
    """The items that are most like one, as the model sees them.

    Raises:
        NotKnown: the item is not in the vocabulary.
        NotOffered: the family of the version cannot tell.
    """
    vocabulary = release.artifact.vocabulary
    index = int(vocabulary.indices(stored_series([request.item_id], vocabulary.item_ids.dtype))[0])
    if not index:
        raise NotKnown(f"item {request.item_id!r} is not known to version {release.config.version}")
    try:
        scores = release.artifact.family.similar(release.artifact, index).numpy()
    except NoNeighbours as error:
        raise NotOffered(str(error)) from error
    shelf = Shelf.at(release.catalogue, now_ms)
    shelf.take("excluded", np.arange(len(scores)) == index)
    nearest = top_k(scores, shelf.left, request.k)
    return SimilarItems(
        item=_ranked(release, np.array([index]), np.ones(1, np.float32))[0],
        items=_ranked(release, nearest, scores[nearest]),
        version=release.config.version,
        family=release.artifact.family.name,
        shortage=shelf.shortage(len(nearest), request.k),
    )


def user_vector(release: LoadedRelease, request: VectorRequest, now_ms: int) -> UserVector:
    """The vector of a user or history in the space of the published tables.

    Raises:
        NotKnown: there is nothing that the model could read.
        NotOffered: the version has no such vectors, or has not published any.
    """
    artifact, space = release.artifact, release.space
    clock = request_time(request.at, now_ms, release.histories.latest)
    history, nothing = _history(release, request, clock)
    if nothing:
        raise NotKnown(nothing)
    try:
        artifact.family.encoder_of(artifact.model.config)
    except NoVectors as error:
        raise NotOffered(f"version {release.config.version} is served, and {error}") from error
    if space is None:
        raise NotOffered(
            f"version {release.config.version} has no space yet: materialize `user_item_vectors`, then `endpoint`"
        )
    vector = artifact.family.user_vectors(artifact, history, np.array([clock], np.int64)).numpy()
    return UserVector(
        vector=space.users(vector)[0].tolist(),
        space=space.id,
        version=release.config.version,
        family=artifact.family.name,
        as_of=clock,
        history_length=_read(release, history),
    )


def _read(release: LoadedRelease, history: Interactions) -> int:
    """How many interactions of a history the model reads."""
    return min(len(as_read(release.artifact, history).item_index), release.artifact.model.config.max_length)


def _history(release: LoadedRelease, request: Asked, clock: int) -> tuple[Interactions, str | None]:
    """The known interactions of the request's user; where there are none, the reason as well."""
    if request.user_id is not None:
        found, whose = release.histories.of(request.user_id), f"the history of user {request.user_id!r}"
    else:
        found, whose = _explicit(release, request.history or [], clock), "the given history"
    if found is None:
        return NO_HISTORY, f"{whose} is not known: a new user, or one without an interaction that counts"
    if not len(found.item_index):
        return NO_HISTORY, f"{whose} is empty"
    if request.at is not None:
        found, whose = found.until(request.at), f"{whose} up to then"
    known = found.known()
    if not len(known.item_index):
        return NO_HISTORY, f"{whose} holds no item that version {release.config.version} knows"
    return known, None


def _explicit(release: LoadedRelease, items: list[HistoryItem], clock: int) -> Interactions:
    vocabulary = release.artifact.vocabulary
    index = vocabulary.indices(stored_series([item.item_id for item in items], vocabulary.item_ids.dtype))
    times = [
        clock - MADE_UP_GAP_MS * (len(items) - place) if item.timestamp is None else item.timestamp
        for place, item in enumerate(items)
    ]
    history = Interactions.of([(index.tolist(), times)])
    bits = release.histories.chosen_bits
    # Whoever reads all is told that these were chosen; for the others that goes without saying.
    return history if bits is None else history.with_columns({ACTIONS: np.full(len(items), bits)})


def _vector(release: LoadedRelease, request: RecommendationRequest) -> Score | None:
    """What scores by the vector that the nightly batch made; None where the user's history is another by now."""
    family, vectors = release.artifact.family, release.user_vectors
    if request.user_id is None or vectors is None or not isinstance(family, ArgusTowersFamily):
        return None
    history = release.histories.of(request.user_id)
    if history is None:
        return None
    history = history if request.at is None else history.until(request.at)
    vector = vectors.of(request.user_id, history)
    return None if vector is None else lambda artifact, histories, times: family.score_vectors(artifact, vector)


def _shelf(release: LoadedRelease, request: RecommendationRequest, seen: Interactions, now_ms: int) -> Shelf:
    """What is available, of the category, not seen and not excluded."""
    shelf = Shelf.at(release.catalogue, now_ms)
    if request.category is not None:
        shelf.take("of_other_categories", ~_in_category(release, request.category))
    keeps_seen = release.artifact.manifest.repeats if request.exclude_seen is None else not request.exclude_seen
    if not keeps_seen:
        shelf.take("seen", shelf.marked(seen.item_index))
    if request.exclude_items:
        vocabulary = release.artifact.vocabulary
        excluded = vocabulary.indices(stored_series(request.exclude_items, vocabulary.item_ids.dtype))
        shelf.take("excluded", shelf.marked(excluded))
    return shelf


def _in_category(release: LoadedRelease, category: str) -> np.ndarray:
    members = release.catalogue.items_by_category.get(category)
    if members is None:
        known = ", ".join(sorted(release.catalogue.items_by_category)[:20])
        raise NotKnown(f"no item has the category {category!r}; there are: {known}")
    mask = np.zeros(len(release.catalogue.titles), bool)
    mask[members] = True
    return mask


def _ranked(release: LoadedRelease, items: np.ndarray, scores: np.ndarray) -> list[RankedItem]:
    places = items.tolist()
    return [
        RankedItem(item_id=item_id, title=title, categories=categories, score=value)
        for item_id, title, categories, value in zip(
            release.artifact.vocabulary.ids(items).to_list(),
            release.catalogue.titles.gather(places).to_list(),
            release.catalogue.categories.gather(places).to_list(),
            scores.tolist(),
            strict=True,
        )
    ]
