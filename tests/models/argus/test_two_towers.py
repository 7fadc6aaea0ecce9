"""The two towers: they read nothing that is younger than the delay, learn what is better, and are served as trained."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from models.argus.impressions import ImpressionExamples, NoImpressions
from models.argus.model import Argus
from models.argus.scoring import completed
from models.argus.shown import score_shown
from models.argus.two_towers import TwoTowers
from models.argus.two_towers_config import TwoTowersConfig, default_scale
from models.artifact import load_artifact, save_artifact
from models.columns import ACTIONS, ITEM_INDEX, STARTED, SURFACE
from models.config.losses import ImpressionLossConfig
from models.config.training import TrainingConfig
from models.evaluation.graded_pairs import pair_accuracy
from models.families.registry import family_of
from models.golden import Golden, check_golden
from models.heads.calendar import HOUR_MS
from models.interactions import Interactions
from models.manifest import GOLDEN, Manifest
from models.training.loop import fit
from models.training.task import Task
from models.vocabulary import Vocabulary
from models.warm_start import begin_with
from tests.models.argus.test_leakage import CHANGES, changed
from tests.models.argus.worlds import BACKBONES, ITEMS, TRANSFORMER, argus, config, people, towers, towers_config

LEARN = TrainingConfig(epochs=8, batch_size=8, learning_rate=0.01)


@pytest.mark.parametrize("form", ["summed", "interleaved"])
@pytest.mark.parametrize("backbone", BACKBONES)
@settings(max_examples=6, deadline=None)
@given(data=st.data(), together=st.sampled_from([0.0, 0.5]), delay=st.sampled_from([0.0, 2.0]))
def test_a_user_vector_reads_nothing_of_its_impression_or_of_what_is_too_young(
    form: str, backbone: str, data: st.DataObject, together: float, delay: float
) -> None:
    of = towers_config(form=form, backbone=BACKBONES[backbone], delay_hours=delay)
    model, users = towers(of), people([8, 5], data.draw(st.integers(0, 99)), together)
    try:
        examples = ImpressionExamples(users, of)
    except NoImpressions:
        reject()
    one = data.draw(st.integers(0, len(examples.at) - 1))
    at, owner = examples.at[one], examples.users[one]
    age = users.column(STARTED)[at] - users.timestamps
    young = ((age < delay * HOUR_MS) if delay else (age <= 0)) & (np.arange(13) >= users.offsets[owner])
    known = np.flatnonzero(
        ~young & (np.arange(13) >= users.offsets[owner]) & (np.arange(13) < users.offsets[owner + 1])
    )

    def vector(of_users: Interactions) -> torch.Tensor:
        batch = ImpressionExamples(of_users, of).batch(np.arange(len(examples)))
        with torch.no_grad():
            _, _, states = model.read(batch.histories, None)
            return model.users_of(states[model._after(batch.states)])[one]

    ours = vector(users)
    assert at in np.flatnonzero(young)
    assert torch.equal(vector(changed(users, tuple(CHANGES), np.flatnonzero(young))), ours)
    assert not torch.equal(vector(changed(users, (ITEM_INDEX,), known[-1:])), ours)


def tastes(users: int = 40, seed: int = 0, each: int = 12) -> Interactions:
    """Half of the users like even items, the others, who come by another surface, odd ones."""
    made = people([each] * users, seed)
    items = np.random.default_rng(seed).integers(1, ITEMS + 1, each * users)
    kind = np.repeat(np.arange(users) % 2, each)
    likes = items % 2 == kind
    return made.with_columns({ITEM_INDEX: items, ACTIONS: 1 + 2 * likes, SURFACE: kind.astype(np.int16)})


@dataclass(frozen=True)
class Held:
    validation: Interactions


@pytest.mark.parametrize(
    ("kind", "form"),
    [("pairwise", "summed"), ("pointwise", "summed"), ("listwise", "summed"), ("listwise", "interleaved")],
)
def test_it_learns_what_is_better_to_whom(kind: str, form: str) -> None:
    of = towers_config(form=form, exposure="impression", max_length=12)
    torch.manual_seed(0)
    loss = ImpressionLossConfig.model_validate({"kind": kind, "list_length": 4})
    model = fit(TwoTowers(of, ITEMS), tastes(), LEARN.model_copy(update={"impressions": loss}))
    others = tastes(10, seed=9)
    assert family_of(of).validate(model, Held(others))["pair_accuracy"] > 0.75
    said = score_shown(model, ImpressionExamples(others, of))
    assert family_of(of).validate(model, Held(others)) == {
        "pair_accuracy": pair_accuracy(said.users, said.scores, said.grades)
    }
    assert family_of(of).validate(model, Held(people([1]))) == {}


def test_users_who_only_skip_and_a_scale_of_one_grade_are_refused() -> None:
    skip = people([8, 8]).with_columns({ACTIONS: np.ones(16, np.int64)})
    of = towers_config(exposure="impression")
    with pytest.raises(NoImpressions, match="of 14 impressions no two that follow each other differ in grade"):
        fit(TwoTowers(of, ITEMS), skip, LEARN)
    with pytest.raises(NoImpressions, match=r"no impression is left .* 16 impressions of users without a state"):
        fit(TwoTowers(of.model_copy(update={"delay_hours": 1e6}), ITEMS), tastes(2, each=8), LEARN)
    both = Interactions.concatenated([tastes(8), skip])
    model = fit(TwoTowers(of, ITEMS), both, LEARN.model_copy(update={"epochs": 1, "batch_size": 1}))
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("kind", ["pairwise", "pointwise", "listwise"])
@pytest.mark.parametrize("form", ["summed", "interleaved"])
def test_every_weight_takes_part_or_several_workers_would_wait_for_its_gradient(form: str, kind: str) -> None:
    of = towers_config(form=form)
    model = towers(of).train()
    loss = ImpressionLossConfig.model_validate({"kind": kind})
    objectives = family_of(of).objectives(model, LEARN.model_copy(update={"impressions": loss}))
    for users in (tastes(2), people([8]).with_columns({ACTIONS: np.ones(8, np.int64)})):
        batch = ImpressionExamples(users, of).batch(np.arange(1))
        model.zero_grad()
        total, _ = Task(model, objectives)(batch, torch.Generator().manual_seed(0))
        total.backward()
        assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def version(folder: Path, model: Argus, name: str = "v1") -> Path:
    vocabulary = replace(
        Vocabulary.untrained(pl.Series([f"i{n}" for n in range(1, ITEMS + 1)])), trained=np.arange(1, ITEMS + 1)
    )
    now = datetime(2026, 1, 1, tzinfo=UTC)
    manifest = Manifest(version=name, created=now, cutoff=now, data_end=now, positive_actions=["like"])
    return save_artifact(folder, manifest, model, vocabulary)


@pytest.mark.parametrize("form", ["summed", "interleaved"])
def test_a_version_gives_the_vectors_that_the_model_gave(form: str, tmp_path: Path) -> None:
    columns = (*config().columns, {"name": "length", "role": "item", "values": ("short", "long")})
    of = towers_config(form=form, columns=columns)
    users = tastes(6)
    length = Interactions(
        users.offsets, {**users.columns, "length": users.item_index % 2}, {**users.declared, "length": "request"}
    )
    torch.manual_seed(0)
    model = fit(TwoTowers(of, ITEMS), length, LEARN.model_copy(update={"epochs": 1}))
    seen = np.unique(users.item_index)
    assert model.of_items[seen, 0].tolist() == (1 + seen % 2).tolist()
    histories = completed(length, of)
    before = model.users(histories) @ model.vectors(torch.arange(ITEMS + 1)).T
    folder = version(tmp_path, model)
    loaded = load_artifact(folder)
    check_golden(loaded, Golden.read(folder / GOLDEN))
    scores = loaded.family.score(loaded, length, users.timestamps[users.offsets[1:] - 1])
    torch.testing.assert_close(scores[:, 1:], before[:, 1:])
    assert scores[:, 0].isneginf().all()
    # A history that is longer than the model reads counts by its end; nobody's vector depends on who else asks.
    cut = length.take(np.arange(6), last=of.max_length)
    torch.testing.assert_close(loaded.family.score(loaded, cut, np.zeros(6)), scores)
    assert (
        loaded.family.score(loaded, length.where(np.zeros(len(users.timestamps), bool)), np.zeros(6))[:, 1:].eq(0).all()
    )


def test_it_starts_from_what_was_pretrained(tmp_path: Path) -> None:
    folder = version(tmp_path, argus(config()))
    vocabulary = load_artifact(folder).vocabulary
    for length in (8, 5, 11):
        model = TwoTowers(towers_config(max_length=length), ITEMS)
        fresh = model.state_dict()["user_vector.0.weight"].clone()
        begin_with(folder, model, vocabulary)
        given = argus(config())
        both = min(length, 8)
        assert torch.equal(model.positions[:both], given.positions[:both])
        assert torch.equal(model.embedding.table, given.embedding.table)
        assert torch.equal(model.state_dict()["user_vector.0.weight"], fresh)
    with pytest.raises(ValueError, match="give the model the shape that the version has"):
        begin_with(folder, TwoTowers(towers_config(width=16), ITEMS), vocabulary)
    others = Vocabulary.untrained(pl.Series([f"j{n}" for n in range(1, ITEMS + 1)]))
    with pytest.raises(ValueError, match="knows other items"):
        begin_with(folder, TwoTowers(towers_config(), ITEMS), others)
    with pytest.raises(ValueError, match="cannot be read"):
        begin_with(tmp_path / "none", TwoTowers(towers_config(), ITEMS), vocabulary)


def test_without_a_scale_each_factor_is_better_than_those_before() -> None:
    steps = [(step.factor, step.least, step.grade) for step in default_scale(config().factors)]
    assert steps == [("like", 1, 1), ("played", 1, 2)]
    assert (
        TwoTowersConfig.model_validate(
            {**config(backbone=TRANSFORMER).model_dump(exclude={"family"}), "scale": [{"factor": "like", "grade": 1}]}
        ).family
        == "argus_towers"
    )
