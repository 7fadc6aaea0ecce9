"""Daily snapshots lack the best seller from the fourth day on: from that night on it is in no answer."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from assets.endpoint.rollout import champion_release
from assets.versions import releases_of
from models.artifact import save_artifact
from models.config.model import HstuConfig, ModelConfig
from models.families.registry import build
from models.manifest import Manifest
from models.vocabulary import Vocabulary
from serving.loaded import LoadedRelease, load_release
from serving.recommend import recommend, similar_items
from serving.schema import RecommendationRequest, SimilarRequest
from storage.lake import Lake
from tests.assets.evaluation.nights import clicks_by_user, land_items
from tests.cases.folder import cases
from tests.sequence_files import write_sequences

FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(6)]
BEST_SELLER = "i0"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """The log of the first days, and a champion with random weights and true popularity."""
    lake, folder = Lake(str(tmp_path)), cases("removed_item")
    logs = [pl.read_csv(folder / "events" / f"{day}.csv", glob=False) for day in DAYS[:3]]
    pl.concat(logs).write_csv(tmp_path / "log.csv")
    users = clicks_by_user(tmp_path / "log.csv")
    write_sequences(tmp_path, users, ["click"])
    counts = users["item_ids"].explode().value_counts().sort("item_ids")
    assert counts.sort("count")["item_ids"][-1] == BEST_SELLER
    popularity = np.concatenate([[0], counts["count"].to_numpy()]).astype(np.float32)
    vocabulary = Vocabulary(counts["item_ids"], np.arange(1, counts.height + 1), popularity)
    torch.manual_seed(0)
    model = build(ModelConfig(width=8, max_length=8, backbone=HstuConfig(layers=1, heads=1, head_dim=8)), counts.height)
    torch.nn.init.normal_(model.items.ids.weight)
    end = datetime(2026, 1, 4, tzinfo=UTC)
    manifest = Manifest(version="v1", created=end, cutoff=end, data_end=end, positive_actions=["click"])
    save_artifact(lake.folder("artifacts"), manifest, model, vocabulary)
    releases_of(lake).promote("v1", "the first one")
    return lake


def answers(release: LoadedRelease) -> list[set[str | int]]:
    """What a user, a stranger and someone who looks at an item are shown."""
    now = int(datetime(2026, 1, 7, tzinfo=UTC).timestamp() * 1000)
    asked = [RecommendationRequest(user_id=user, k=100, exclude_seen=False) for user in ("u0", "u1", "a stranger")]
    lists = [recommend(release, request, now).items for request in asked]
    lists.append(similar_items(release, SimilarRequest(item_id="i1", k=100), now).items)
    return [{item.item_id for item in items} for items in lists]


def test_from_the_fourth_day_on_it_is_in_no_answer(lake: Lake) -> None:
    path = str(cases("removed_item") / "items" / "{day}.csv")
    land_items(lake, path, DAYS[:3], FIRST)
    assert all(BEST_SELLER in shown for shown in answers(load_release(champion_release(lake, "shop"))))
    for day in DAYS[3:]:
        land_items(lake, path, [day], FIRST)
        shown = answers(load_release(champion_release(lake, "shop")))
        assert not any(BEST_SELLER in items for items in shown)
        assert [len(items) for items in shown] == [39, 39, 39, 38]
