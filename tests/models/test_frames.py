from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from models.artifact import Artifact, save_artifact
from models.config.losses import SampledSoftmaxConfig
from models.config.model import HstuConfig, ItemTowerConfig, ModelConfig
from models.config.training import TrainingConfig
from models.frames import fit_recommender, recommend, similar_items
from models.inference import score
from models.interactions import Interactions
from models.request_time import LONGEST_SILENCE_MS

MODEL = ModelConfig(width=8, max_length=4, backbone=HstuConfig(layers=1, heads=1, head_dim=8))
TRAINING = TrainingConfig(epochs=1, loss=SampledSoftmaxConfig(negatives=4))
CONTENT = pl.DataFrame({"item_id": ["z", "a", "y"], "vector": [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]})


def at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def log(*rows: tuple[str, str, int]) -> pl.DataFrame:
    frame = pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row")
    return frame.with_columns(pl.from_epoch("timestamp").dt.replace_time_zone("UTC"))


# Popularity: b 3, a 2, c and d 1.
EVENTS = log(("v", "b", 9), ("u", "c", 3), ("u", "a", 1), ("u", "b", 2), ("v", "a", 8), ("w", "b", 5), ("v", "d", 7))


def trained(**options: Any) -> Artifact:
    return fit_recommender(EVENTS, TRAINING, options.pop("model", MODEL), **options)


def items(frame: pl.DataFrame, user: str) -> list[str]:
    return frame.filter(pl.col("user_id") == user).sort("rank")["item_id"].to_list()


def test_what_a_user_did_is_read_in_the_order_of_time() -> None:
    artifact = trained()
    assert artifact.vocabulary.item_ids.to_list() == ["a", "b", "c", "d"]
    # An interaction of minutes ago counts almost whole.
    assert artifact.vocabulary.popularity.tolist() == pytest.approx([0, 2, 3, 1, 1], rel=1e-3)
    a_day_after = np.array([9000 + LONGEST_SILENCE_MS])
    scores = score(artifact, Interactions.of([([1, 2, 3], [1000, 2000, 3000])]), a_day_after)
    shown = recommend(artifact, EVENTS, users=["u"], exclude_seen=False)
    assert shown["score"].to_list() == pytest.approx(sorted(scores[0, 1:].tolist(), reverse=True))
    assert shown["rank"].to_list() == [1, 2, 3, 4]
    assert shown["item_id"].to_list() == ["abcd"[place] for place in scores[0, 1:].argsort(descending=True)]


def test_seen_items_are_left_out_for_everybody_in_the_frame() -> None:
    shown = recommend(trained(), EVENTS)
    assert items(shown, "u") == ["d"]
    assert items(shown, "v") == ["c"]
    assert sorted(items(shown, "w")) == ["a", "c", "d"]


def test_strangers_get_what_is_popular_without_a_score() -> None:
    shown = recommend(trained(), EVENTS, users=["stranger", "u"], k=2)
    assert items(shown, "stranger") == ["b", "a"]
    assert shown["score"].is_null().to_list() == [True, True, False]


def test_nobody_and_nothing_are_frames_too() -> None:
    artifact = trained()
    nobody = recommend(artifact, EVENTS, users=[])
    assert (nobody.height, nobody.columns) == (0, ["user_id", "rank", "item_id", "score"])
    assert items(recommend(artifact, EVENTS.clear(), users=["u"], k=1), "u") == ["b"]


@pytest.mark.parametrize("moment", [at(2), datetime(1970, 1, 1, 0, 0, 2)])
def test_what_happened_after_the_request_is_not_read(moment: datetime) -> None:
    artifact = trained()
    then = recommend(artifact, EVENTS, users=["u"], at=moment)
    assert then.equals(recommend(artifact, log(("u", "a", 1), ("u", "b", 2)), users=["u"], at=moment))
    assert sorted(then["item_id"]) == ["c", "d"]


def test_more_users_than_are_scored_at_once() -> None:
    users = [f"user {number}" for number in range(300)]
    shown = recommend(trained(), log(*((user, "a", number) for number, user in enumerate(users))), users=users, k=1)
    assert shown["user_id"].to_list() == users


def test_items_with_content_alone_can_be_recommended() -> None:
    artifact = trained(content=CONTENT)
    assert artifact.vocabulary.item_ids.to_list() == ["a", "b", "c", "d", "y", "z"]
    assert artifact.vocabulary.trained.tolist() == [1, 2, 3, 4]
    assert artifact.model.config.items == ItemTowerConfig(content_dim=2, id_masking=0.1)
    assert artifact.model.items.content[[1, 2, 6]].tolist() == [[0, 1], [0, 0], [1, 0]]
    assert {"y", "z"} <= set(items(recommend(artifact, EVENTS), "u"))


def test_the_item_tower_of_the_config_is_kept() -> None:
    model = MODEL.model_copy(update={"items": ItemTowerConfig(content_dim=2, id_masking=0.5)})
    assert trained(model=model, content=CONTENT).model.config.items.id_masking == 0.5


def test_one_seed_gives_one_recommender() -> None:
    vectors = [trained().item_vectors for _ in range(2)]
    assert torch.equal(*vectors)
    other = fit_recommender(EVENTS, TRAINING.model_copy(update={"seed": 1}), MODEL)
    assert not torch.equal(other.item_vectors, vectors[0])


def test_neighbours() -> None:
    artifact = trained()
    cosines = artifact.retrieval_vectors[1:] @ artifact.retrieval_vectors[2]
    shown = similar_items(artifact, "b", k=10)
    assert shown["item_id"].to_list() == ["abcd"[place] for place in cosines.argsort(descending=True) if place != 1]
    assert shown["rank"].to_list() == [1, 2, 3]
    with pytest.raises(ValueError, match="item 'q' is not among the 4 items"):
        similar_items(artifact, "q")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (EVENTS.drop("timestamp"), "have no column 'timestamp': there are"),
        (EVENTS.with_columns(pl.lit(1.5).alias("timestamp")), "column 'timestamp' is Float64: make it datetimes"),
        (
            EVENTS.with_columns(pl.when(pl.col("item_id") != "c").then(pl.col("item_id")).alias("item_id")),
            "interaction 1 has no item_id",
        ),
        (EVENTS.filter(pl.col("user_id") == "w"), "none of the 1 users has two known interactions"),
    ],
)
def test_bad_frames_are_refused(frame: pl.DataFrame, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_recommender(frame, TRAINING, MODEL)


def test_content_that_is_not_finite_names_the_item() -> None:
    spoilt = CONTENT.with_columns(pl.Series("vector", [[1.0, 0.0], [float("nan"), 1.0], [1.0, 1.0]]))
    with pytest.raises(ValueError, match="the content vector of item 'a' is not finite"):
        trained(content=spoilt)


def test_a_model_is_fine_tuned_of_a_version(tmp_path: Path) -> None:
    still = TRAINING.model_copy(update={"learning_rate": 1e-12})
    parent = fit_recommender(EVENTS, TRAINING, MODEL)
    folder = save_artifact(tmp_path, parent.manifest, parent.model, parent.vocabulary)
    own = log(("x", "new", 20), ("x", "b", 21), ("x", "a", 22), ("y", "b", 20), ("y", "new", 23))
    tuned = fit_recommender(own, still, start=folder)
    assert (tuned.manifest.parent, tuned.model.config) == (parent.version, parent.model.config)
    before, after = parent.vocabulary.indices(["a", "b"]), tuned.vocabulary.indices(["a", "b"])
    torch.testing.assert_close(tuned.item_vectors[after], parent.item_vectors[before])
    torch.testing.assert_close(tuned.model.encoder.positions, parent.model.encoder.positions)
    wider = MODEL.model_copy(update={"width": 16})
    with pytest.raises(ValueError, match=r"built otherwise than the version in .*: width is 16, not 8"):
        fit_recommender(own, still, wider, start=folder)
    with pytest.raises(ValueError, match="nowhere"):
        fit_recommender(own, still, MODEL, start=tmp_path / "nowhere")
