"""A recommender from a frame of interactions, and frames of recommendations from it: for notebooks and scripts."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import torch

from models.artifact import Artifact
from models.cold_start import COLD_START, cold_share
from models.columns import ITEM_ID, ITEM_IDS, REPEATED, TIMESTAMP, TIMESTAMPS, USER_ID
from models.config.model import ItemTowerConfig, ModelConfig
from models.config.training import TrainingConfig
from models.content import content_matrix
from models.families.registry import build, read_config
from models.interaction_frames import interaction_lists, interactions_in
from models.interactions import Interactions
from models.item_counts import POPULARITY_HALF_LIFE_DAYS, ItemCounts
from models.manifest import Manifest, new_version
from models.popularity import PopularityOverTime
from models.recommend import recommend as recommend_to
from models.request_time import request_time
from models.space import built_otherwise
from models.top_k import top_k
from models.training.loop import OnEpoch, Worker, fit
from models.vocabulary import Vocabulary
from models.warm_start import read_parent, start_from

RANK = "rank"
SCORE = "score"

ID_MASKING = 0.1
"""Share of IDs hidden in training with content, so that an item without ID can be told by its content."""

USERS_AT_ONCE = 256


def fit_recommender(
    interactions: pl.DataFrame,
    training: TrainingConfig | None = None,
    model: ModelConfig | None = None,
    content: pl.DataFrame | None = None,
    on_epoch: OnEpoch = lambda report, task, optimizer: None,
    start: Path | None = None,
) -> Artifact:
    """Trains a recommender on all `interactions`, on a GPU where there is one.

    Fine-tuned of a version (`start`), it has the version's weights when training begins, those of the items that both
    know among them, by their ids; the version's other items are gone.

    Args:
        interactions: `user_id`, `item_id`, `timestamp` (datetimes), in any order.
        training: How it is trained; its seed decides every random number.
        model: What it is made of. With `content`, an item tower that reads none is given one that does.
        content: `item_id`, `vector` (lists of numbers): content embeddings. Items that only stand here, without an
            interaction, can be recommended too.
        on_epoch: Called after each epoch with the report, the training task and the optimiser.
        start: Folder of a version of the line, or of one that was made here, whose weights it begins with; without
            `model` it is built as that version is.

    Raises:
        ValueError: a column is missing or of another type, a value is null, or no user has two interactions; or the
            version in `start` cannot be read or is built otherwise.
    """
    training = training or TrainingConfig()
    model = model or (ModelConfig() if start is None else _config_of(start))
    interactions = _checked(interactions)
    items = _items(interactions, content)
    packed = interactions_in(interaction_lists(interactions), Vocabulary.untrained(items))
    counts = ItemCounts(len(items), end_ms=int(packed.timestamps.max(initial=-1)) + 1)
    counts.add(packed)
    vocabulary = counts.vocabulary(items, catalogue=items)
    parent = None if start is None else read_parent(start)
    if parent is not None:
        vocabulary = vocabulary.following(parent.vocabulary)
    vectors = content_matrix(vocabulary, content)
    given = vectors.shape[1] > 0
    if given and not model.items.content_dim:
        tower = ItemTowerConfig(content_dim=vectors.shape[1], id_masking=ID_MASKING)
        model = model.model_copy(update={"items": tower})
    # Since when the items are known that have no interaction, nobody says: they do not count.
    first_seen = counts.first_seen[vocabulary.trained]
    share = cold_share(first_seen, len(first_seen), counts.end_ms, COLD_START)
    loss = training.loss.model_copy(update={"cold_negatives": share})
    training = training.model_copy(update={"loss": loss})
    torch.manual_seed(training.seed)
    trained, table = torch.from_numpy(vocabulary.trained), torch.from_numpy(vectors) if given else None
    popularity = PopularityOverTime.of(packed, len(vocabulary), counts.end_ms, POPULARITY_HALF_LIFE_DAYS)
    recommender = build(model, len(vocabulary), trained, table, popularity)
    if parent is not None and start is not None:
        _refuse_other(model, start)
        start_from(parent, recommender, vocabulary)
    worker = Worker(device="cuda" if torch.cuda.is_available() else "cpu")
    packed = packed.with_columns({REPEATED: packed.repeated()})
    fit(recommender, packed, training, worker, on_epoch)
    manifest = _manifest(interactions, training, model.family, start.name if start else None)
    return Artifact.of(manifest, recommender, vocabulary)


def recommend(
    artifact: Artifact,
    interactions: pl.DataFrame,
    k: int = 10,
    users: pl.Series | Sequence[str] | Sequence[int] | None = None,
    at: datetime | None = None,
    exclude_seen: bool | None = None,
) -> pl.DataFrame:
    """The `k` best items of each user: `user_id`, `rank` from 1, `item_id`, `score` (cosine; logit with popularity).

    A user without a known item gets the most popular ones, with null for a score. There is no catalogue here, so any
    item that the recommender knows may come, whenever it appeared.

    Args:
        interactions: What the users did, as in `fit_recommender`.
        users: Whom to recommend for; by default everybody in `interactions`.
        at: When they ask: what happened later is not read. By default now, as the endpoint dates its requests: a day
            after the newest interaction at most.
        exclude_seen: Whether to leave out the items of a user's history; by default so, unless the recommender was made
            to recommend them again.

    Raises:
        ValueError: a column is missing or of another type, or a value is null.
    """
    known = _checked(interactions)
    if at is not None:
        known = known.filter(pl.col(TIMESTAMP) <= _utc(at))
    lists = interaction_lists(known)
    if exclude_seen is None:
        exclude_seen = not artifact.manifest.repeats
    if users is not None:
        wanted = pl.Series(USER_ID, users, dtype=interactions[USER_ID].dtype).to_frame()
        lists = wanted.join(lists, on=USER_ID, how="left", maintain_order="left").with_columns(
            pl.col(ITEM_IDS, TIMESTAMPS).fill_null([])
        )
    asking = interactions_in(lists, artifact.vocabulary)
    newest = _epoch_ms(known.select(pl.col(TIMESTAMP).max()).item())
    asked_at = request_time(_epoch_ms(at), time.time_ns() // 1_000_000, newest)
    parts = np.array_split(np.arange(len(asking)), -(-len(asking) // USERS_AT_ONCE) or 1)
    return pl.concat(
        _best(artifact, lists[USER_ID].gather(part), asking.take(part), asked_at, k, exclude_seen) for part in parts
    )


def similar_items(artifact: Artifact, item_id: str | int, k: int = 10) -> pl.DataFrame:
    """The `k` nearest items in the model's space, nearest first: `rank` from 1, `item_id`, `score` (cosine).

    Raises:
        ValueError: the model does not know the item.
    """
    index = int(artifact.vocabulary.indices(pl.Series([item_id]))[0])
    if not index:
        raise ValueError(
            f"item {item_id!r} is not among the {len(artifact.vocabulary.known_items)} items of this recommender"
        )
    scores = artifact.family.similar(artifact, index).numpy()
    best = top_k(scores, np.ones(len(scores), bool), k)
    rank = pl.int_range(1, len(best) + 1, eager=True)
    return pl.DataFrame({RANK: rank, ITEM_ID: artifact.vocabulary.ids(best), SCORE: scores[best]})


def _config_of(folder: Path) -> ModelConfig:
    config = read_config(folder)
    if not isinstance(config, ModelConfig):
        raise ValueError(f"{folder} is of the family {config.family}, not a recommender that can be fine-tuned here")
    return config


def _refuse_other(model: ModelConfig, start: Path) -> None:
    """Raises ValueError where weights of the version in `start` do not fit the model."""
    if wrong := built_otherwise(model, _config_of(start)):
        raise ValueError(f"the model is built otherwise than the version in {start}: {', '.join(wrong)}")


def _best(
    artifact: Artifact, users: pl.Series, asking: Interactions, asked_at: int, k: int, exclude_seen: bool
) -> pl.DataFrame:
    allowed = np.ones((len(asking), len(artifact.vocabulary) + 1), bool)
    if exclude_seen:
        allowed[np.repeat(np.arange(len(asking)), asking.lengths), asking.item_index] = False
    best = recommend_to(artifact, asking, np.full(len(asking), asked_at), allowed, min(k, len(artifact.vocabulary)))
    user, place = best.items.nonzero()
    return pl.DataFrame(
        {
            USER_ID: users.gather(user),
            RANK: place + 1,
            ITEM_ID: artifact.vocabulary.ids(best.items[user, place]),
            SCORE: pl.Series(best.scores[user, place]).set(pl.Series(~best.by_model[user]), None),
        }
    )


def _checked(interactions: pl.DataFrame) -> pl.DataFrame:
    """The three columns, times in UTC milliseconds, users in order and each user's interactions by time."""
    for name in (USER_ID, ITEM_ID, TIMESTAMP):
        if name not in interactions.columns:
            raise ValueError(f"the interactions have no column {name!r}: there are {interactions.columns}")
        if interactions[name].null_count():
            place = interactions[name].is_null().arg_max()
            raise ValueError(f"interaction {place} has no {name}: drop it or fill it in")
    times = interactions.schema[TIMESTAMP]
    if not isinstance(times, pl.Datetime):
        raise ValueError(f"column {TIMESTAMP!r} is {times}: make it datetimes, for instance by pl.from_epoch")
    zoned = pl.col(TIMESTAMP) if times.time_zone else pl.col(TIMESTAMP).dt.replace_time_zone("UTC")
    columns = interactions.select(USER_ID, ITEM_ID, zoned.dt.convert_time_zone("UTC").dt.cast_time_unit("ms"))
    return columns.sort(USER_ID, TIMESTAMP, maintain_order=True)


def _epoch_ms(moment: datetime | None) -> int | None:
    return None if moment is None else pl.Series([_utc(moment)]).dt.epoch("ms")[0]


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _items(interactions: pl.DataFrame, content: pl.DataFrame | None) -> pl.Series:
    """Items with interactions in the order of their ids, then those that only have content."""
    seen = interactions[ITEM_ID].unique().sort()
    if content is None:
        return seen
    return pl.concat([seen, content[ITEM_ID].filter(~content[ITEM_ID].is_in(seen.implode())).unique().sort()])


def _manifest(interactions: pl.DataFrame, training: TrainingConfig, family: str, parent: str | None) -> Manifest:
    end = interactions.select(pl.col(TIMESTAMP).max()).item() + timedelta(milliseconds=1)
    return Manifest(
        version=new_version(family),
        created=datetime.now(UTC),
        cutoff=end,
        data_end=end,
        positive_actions=["interaction"],
        parent=parent,
        training=training,
    )
