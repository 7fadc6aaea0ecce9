"""What is trained, evaluated and served is merged alike, whatever the version merges by."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from assets.splits.split import SplitRule, split
from assets.training.dataset import read_dataset, read_held_out, write_training_set
from models.artifact import Artifact
from models.columns import DAY, ITEM_ID
from models.config.model import ModelConfig
from models.evaluation.model_scorer import ModelScorer
from models.families.registry import build
from models.inference import as_read, score
from models.interaction_frames import interactions_in
from models.manifest import Manifest
from models.vocabulary import Vocabulary
from serving.history import packed, read_chosen
from storage.schema import TIME
from tests.interaction_logs import log_of, training_of

CUTOFF = datetime(2026, 3, 10, tzinfo=UTC)
CLICK, BUY, VIEW = 1, 2, 4
USERS, ITEMS = 40, 6


def sequences() -> pl.DataFrame:
    """Users who come back to the same few items, and one click on an item each after the cutoff."""
    rng = np.random.default_rng(3)
    rows = []
    for user in range(USERS):
        past = int(rng.integers(2, 25))
        items = [*np.repeat(rng.integers(1, ITEMS, past), rng.integers(1, 4, past))[:past].tolist(), 100 + user]
        actions = [*rng.choice([CLICK, BUY, CLICK | BUY, VIEW, VIEW | CLICK], past).tolist(), CLICK]
        times = [*(CUTOFF - timedelta(minutes=past - place) for place in range(past)), CUTOFF + timedelta(hours=1)]
        rows.append({"user_id": user, "item_ids": items, "timestamps": times, "actions": actions})
    lists = {"timestamps": pl.List(TIME), "actions": pl.List(pl.Int32)}
    return pl.DataFrame(rows, schema_overrides=lists)


@pytest.mark.parametrize("by", [None, "item", "kind"])
def test_three_readers_see_the_same_steps(tmp_path: Path, by: Any) -> None:
    table = sequences()
    log = log_of(table, most=20)
    parts = split(log, SplitRule(CUTOFF, timedelta(days=1), CLICK | BUY, leave_one_out_users=0))
    folder = write_training_set(
        tmp_path / "set",
        parts,
        pl.DataFrame(schema={ITEM_ID: pl.Int64, DAY: pl.Date}),
        None,
        half_life_days=7,
        cold_start=timedelta(0),
        validation_users=0,
        seed=0,
        merge_adjacent=by,
    )
    dataset = read_dataset(folder)
    vocabulary = dataset.vocabulary
    torch.manual_seed(0)
    model = build(ModelConfig(width=8, max_length=6), len(vocabulary), torch.from_numpy(vocabulary.trained)).eval()
    manifest = Manifest(
        version="v",
        created=CUTOFF,
        cutoff=CUTOFF,
        data_end=CUTOFF,
        positive_actions=["click", "buy"],
        merge_adjacent=by,
    )
    artifact = Artifact.of(manifest, model, vocabulary)
    past = table.with_columns(
        pl.col("item_ids", "timestamps", "actions").list.head(pl.col("timestamps").list.len() - 1)
    )
    served = packed(read_chosen(log_of(past), CLICK | BUY, vocabulary, keep_actions=by == "kind"))
    cases = read_held_out(folder).cases["time"]
    assert len(cases) > USERS / 2
    trained_users = training_of(log, parts).sort("user_id")["user_id"].to_list()
    scores = ModelScorer("model", artifact, vocabulary).score(cases)
    lengths = []
    for place, user in enumerate(cases.user_ids.to_list()):
        live = served.of(user)
        assert live is not None
        steps = as_read(artifact, live)
        trained = dataset.histories.take(np.array([trained_users.index(user)]))
        evaluated = as_read(artifact, cases.part(place, place + 1).histories)
        for other in (trained, evaluated):
            assert other.item_index.tolist() == steps.item_index.tolist()
            assert other.timestamps.tolist() == steps.timestamps.tolist()
        answer = score(artifact, live, cases.request_times[place : place + 1])[0].numpy()
        np.testing.assert_allclose(answer[1:], scores[place, 1:], atol=1e-5)
        lengths.append((len(live.item_index), len(steps.item_index)))
    assert any(read < done for done, read in lengths) == (by is not None)


def test_merging_changes_what_is_scored() -> None:
    """Were merging lost on the way to the encoder, the readers above would agree on the wrong thing."""
    torch.manual_seed(0)
    table = sequences()
    frame = table.select("item_ids", "timestamps", "actions").head(10)
    ids = pl.Series(frame["item_ids"].explode().unique().sort())
    vocabulary = Vocabulary(ids, np.arange(1, len(ids) + 1), np.zeros(len(ids) + 1, np.float32))
    model = build(ModelConfig(width=8, max_length=6), len(ids)).eval()
    manifest = Manifest(version="v", created=CUTOFF, cutoff=CUTOFF, data_end=CUTOFF, positive_actions=["click"])
    plain = Artifact.of(manifest, model, vocabulary)
    merging = replace(plain, manifest=manifest.model_copy(update={"merge_adjacent": "item"}))
    given = interactions_in(frame, vocabulary)
    times = np.full(10, int((CUTOFF + timedelta(days=1)).timestamp() * 1000))
    assert not torch.equal(score(plain, given, times), score(merging, given, times))
    torch.testing.assert_close(score(plain, given.merged("item"), times), score(merging, given, times))
