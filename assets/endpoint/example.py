"""One user shown whole: what they liked and what the live endpoint answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from assets.items.catalogue import catalogue
from models.columns import CATEGORIES, ITEM_ID, TITLE, USER_ID
from models.interaction_frames import positive_interactions
from serving.client import EndpointClient
from serving.schema import RecommendationRequest, Recommendations
from storage.lake import Lake
from storage.sequence_store import SEQUENCES_TABLE

TELLING_HISTORY = 10


@dataclass(frozen=True)
class Example:
    """A user, their newest positive interactions (newest first), and the endpoint's answer.

    `history` has the columns item_id, title, categories, timestamp.
    """

    user_id: str | int
    history: pl.DataFrame
    answer: Recommendations


def ask_for_example(
    lake: Lake, client: EndpointClient, positive_actions: Sequence[str], length: int = TELLING_HISTORY
) -> Example:
    """Asks the endpoint over HTTP for the first user with at least `length` positive interactions, or the richest."""
    version = lake.version(SEQUENCES_TABLE)
    positives = positive_interactions(lake.sequences(version), lake.action_bits(positive_actions, version))
    user_id = _telling_user(positives, length)
    titles = catalogue(lake).select(ITEM_ID, TITLE, pl.col(CATEGORIES).list.drop_nulls())
    history = (
        positives.filter(pl.col(USER_ID) == user_id)
        .tail(length)
        .reverse()
        .join(titles, on=ITEM_ID, how="left", maintain_order="left")
        .drop(USER_ID)
        .collect()
    )
    return Example(user_id, history, client.recommend(RecommendationRequest(user_id=user_id, k=length)))


def example_table(example: Example) -> pl.DataFrame:
    """History and recommendations side by side, as two columns of titles."""
    liked = [_label(row) for row in example.history.select(TITLE, CATEGORIES, ITEM_ID).iter_rows()]
    recommended = [_label((item.title, item.categories, item.item_id)) for item in example.answer.items]
    height = max(len(liked), len(recommended))
    return pl.DataFrame(
        {
            f"user {example.user_id} liked (newest first)": liked + [""] * (height - len(liked)),
            "is recommended": recommended + [""] * (height - len(recommended)),
        }
    )


def _telling_user(positives: pl.LazyFrame, length: int) -> str | int:
    counts = positives.group_by(USER_ID).len().sort(pl.min_horizontal("len", length), USER_ID, descending=[True, False])
    found: str | int = counts.head(1).collect()[USER_ID].item()
    return found


def _label(row: tuple[str | None, Sequence[str] | None, str | int]) -> str:
    title, categories, item_id = row
    return f"{title or item_id}" + (f" ({', '.join(categories)})" if categories else "")
