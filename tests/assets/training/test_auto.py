"""How a model is trained where the profile leaves it to the data: always something valid, with a reason."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.splits.settings import EvaluationSettings, SplitSettings
from assets.training.auto import (
    EPOCHS,
    ID_MASKING,
    LEAST_STEPS,
    LONGEST,
    SHORTEST,
    Parent,
    Statistics,
    choose_training,
)
from assets.training.settings import TrainingDataSettings, TrainingSettings
from assets.training.version import in_one_process
from models.auto import marked, part_of, read_section, value_at
from models.config.model import ModelConfig

TRAINING = {"positive_actions": ["click"]}

WRITTEN: dict[str, Any] = {
    "cold_start_hours": 1.0,
    "id_masking": 0.3,
    "model.max_length": 32,
    "model.backbone.dropout": 0.5,
    "optimisation.epochs": 2,
    "optimisation.loss.negatives": 9,
    "optimisation.schedule": "cosine",
}


@given(st.sets(st.sampled_from(sorted(WRITTEN))))
def test_a_section_leaves_to_the_data_exactly_what_is_not_written(paths: set[str]) -> None:
    values: dict[str, Any] = dict(TRAINING)
    for path in paths:
        place = values
        *above, last = path.split(".")
        for name in above:
            place = place.setdefault(name, {})
        place[last] = WRITTEN[path]
    settings = read_section(TrainingSettings, values)
    assert set(settings.left_to_data) == set(marked(settings)) - paths
    assert {path: value_at(settings, path) for path in paths} == {path: WRITTEN[path] for path in paths}
    data = part_of(settings, TrainingDataSettings)
    assert set(data.left_to_data) == set(marked(data)) - paths
    assert TrainingSettings.model_validate(settings.model_dump()) == settings


@pytest.mark.parametrize("backbone", ["hstu_research", "sasrec", "ligr"])
def test_another_backbone_follows_the_data_in_its_own_fields(backbone: str) -> None:
    values = {**TRAINING, "model": {"backbone": {"name": backbone, "layers": 1}}}
    settings = read_section(TrainingSettings, values)
    assert {"model.backbone.dropout", "model.max_length", "model.attention_divisor"} <= set(settings.left_to_data)


def test_a_class_that_is_built_by_hand_leaves_nothing_to_the_data() -> None:
    assert not TrainingSettings(positive_actions=("click",)).left_to_data
    assert not SplitSettings.part_of(EvaluationSettings()).left_to_data


SHOP = Statistics(
    users=1_912, mean_length=6.5, long=23, trained_items=300, has_content=True, cold_share=0.1, judges=240
)
CHOSEN_LATER = ("simple_models.", "blend.")
"""What is chosen when these are made (`assets.training.simple_models`, `assets.training.blend`)."""

MADE_WITH_THE_SET = set(TrainingDataSettings.model_fields)


def chosen_for(found: Statistics, workers: int = 2, **training: Any) -> TrainingSettings:
    return choose_training(read_section(TrainingSettings, {**TRAINING, **training}), found, workers)[0]


@given(
    st.builds(
        Statistics,
        users=st.integers(0, 10**9),
        mean_length=st.floats(1, 10**6),
        long=st.integers(1, 10**6),
        trained_items=st.integers(1, 10**8),
        has_content=st.booleans(),
        cold_share=st.floats(0, 1),
        judges=st.integers(0, 500),
        cold_events=st.floats(0, 1),
        cold_positives=st.floats(0, 1),
        new_labels=st.floats(0, 1),
    ),
    st.integers(1, 1_000),
    st.sampled_from([{}, {"loss": {"positions_per_draw": 16}}, {"tokens_per_step": 4096}, {"batch_size": 1}]),
)
def test_whatever_the_data_say_each_value_fits_its_field_and_has_a_reason(
    found: Statistics, workers: int, optimisation: dict[str, Any]
) -> None:
    settings = read_section(TrainingSettings, {**TRAINING, "optimisation": optimisation})
    made, chosen = choose_training(settings, found, workers)
    assert type(made).model_validate(made.model_dump()) == made
    elsewhere = {path for path in settings.left_to_data if path in MADE_WITH_THE_SET or path.startswith(CHOSEN_LATER)}
    assert set(chosen) == set(settings.left_to_data) - elsewhere
    assert {path: value_at(made, path) for path in chosen} == {path: choice.value for path, choice in chosen.items()}
    assert all(choice.reason[-1] == "." for choice in chosen.values())
    assert made.optimisation.loss.over(found.trained_items).negatives <= max(1, found.trained_items)
    assert made.model.max_length <= LONGEST
    if not found.has_content:
        loss = made.optimisation.loss
        assert (made.id_masking, loss.cold_negatives, loss.label_masking) == (0, 0, 0)


@pytest.mark.parametrize(
    ("items", "loss", "share"),
    [
        (51_200, {}, 0),
        (51_300, {}, 0.01),
        (10**7, {}, 0.01),
        (10**7, {"negatives": 128}, 0),
        (10**7, {"negatives_share": 0.002}, 0.002),
        (10**7, {"positions_per_draw": 16}, 0),
        (10**7, {"source": "in_batch"}, 0),
    ],
)
def test_of_many_items_a_hundredth_is_drawn_unless_the_profile_says_how_many(
    items: int, loss: dict[str, Any], share: float
) -> None:
    made = chosen_for(replace(SHOP, trained_items=items), optimisation={"loss": loss}).optimisation.loss
    assert made.negatives_share == share
    assert made.negatives == loss.get("negatives", 512)


@pytest.mark.parametrize("loss", [{"shared": False}, {"positions_per_draw": 16}])
def test_a_share_of_the_items_for_every_position_by_itself_is_refused(loss: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="negatives_share is drawn once for all positions"):
        chosen_for(SHOP, optimisation={"loss": {"negatives_share": 0.01, **loss}})
    assert chosen_for(SHOP, optimisation={"loss": {"negatives_share": 0.01}}).optimisation.loss.shared


def test_ids_are_hidden_as_often_as_they_were_missing_the_night_before() -> None:
    often = replace(SHOP, cold_events=0.2, cold_positives=0.3, new_labels=0.125)
    made, chosen = choose_training(read_section(TrainingSettings, TRAINING), often, 1)
    assert made.id_masking == 0.2
    assert made.optimisation.loss.label_masking == pytest.approx(0.2), "an eighth is hidden anyway: 0.125 + 0.2 * 0.875"
    assert "30.0%" in chosen["optimisation.loss.label_masking"].reason
    seldom = chosen_for(replace(often, cold_events=0.001, cold_positives=0.1), 1)
    assert (seldom.id_masking, seldom.optimisation.loss.label_masking) == (ID_MASKING, 0)
    assert not seldom.hide_new
    by_hand = chosen_for(often, 1, id_masking=0.3, hide_new=True, optimisation={"loss": {"label_masking": 0.05}})
    assert (by_hand.id_masking, by_hand.hide_new, by_hand.optimisation.loss.label_masking) == (0.3, True, 0.05)


def test_the_steps_of_all_epochs_are_the_budget_however_many_workers_take_them() -> None:
    for workers in (1, 2, 4):
        training = chosen_for(SHOP, workers).optimisation
        assert training.batch_size * workers == 32
        assert training.epochs == EPOCHS
    _, chosen = choose_training(read_section(TrainingSettings, TRAINING), SHOP, 2)
    assert chosen["optimisation.epochs"].reason == (
        "1,912 users make 60 steps an epoch, so 20 epochs are about 1,200 steps."
    )


@pytest.mark.parametrize(
    ("users", "epochs"),
    [
        (100, 100),  # more often than that nobody is seen
        (1_920, 20),
        (6_400, 20),  # 2,000 steps
        (40_000, 8),
        (320_000, 8),  # 20,000 steps
        (1_280_000, 2),
        (6_400_000, 1),
    ],
)
def test_few_users_are_seen_often_and_many_often_enough(users: int, epochs: int) -> None:
    assert chosen_for(replace(SHOP, users=users), 1).optimisation.epochs == epochs


def test_later_rules_follow_what_is_written_by_hand() -> None:
    by_hand = chosen_for(SHOP, 2, optimisation={"batch_size": 32, "loss": {"positions_per_draw": 8}})
    few, many = (chosen_for(replace(SHOP, mean_length=mean), optimisation={"batch_size": 64}) for mean in (5, 25))
    assert (few.optimisation.learning_rate, many.optimisation.learning_rate) == pytest.approx((1e-3, 1.3e-3))
    assert by_hand.optimisation.epochs == LEAST_STEPS // 30
    assert not by_hand.optimisation.loss.shared
    short = chosen_for(replace(SHOP, long=150), model={"attention_divisor": 90})
    assert (short.model.max_length, short.model.attention_divisor) == (90, 90)
    assert chosen_for(SHOP, model={"max_length": 50}).model.attention_divisor == 61
    assert chosen_for(SHOP, optimisation={"loss": {"cold_negatives": 0.4}}).optimisation.loss.cold_negatives == 0.4


@pytest.mark.parametrize(("long", "seen"), [(1, SHORTEST), (17, 32), (64, 64), (129, LONGEST), (4_000, LONGEST)])
def test_the_model_sees_about_all_of_most_histories(long: int, seen: int) -> None:
    assert chosen_for(Statistics(100, 3.0, long, 50, False, 0.0, 10)).model.max_length == seen


def test_the_ablation_takes_as_many_users_a_step_as_the_models_workers_together() -> None:
    training = chosen_for(SHOP, 4).optimisation
    assert in_one_process(training, 4).batch_size == 4 * training.batch_size == 32
    by_tokens = training.model_copy(update={"tokens_per_step": 100})
    assert in_one_process(by_tokens, 3).tokens_per_step == 300


def test_a_search_tries_by_default_only_what_such_a_model_reads() -> None:
    settings = read_section(TrainingSettings, TRAINING)
    _, chosen = choose_training(settings, SHOP, 2)
    assert set(settings.search.space) <= set(chosen)
    assert not [path for path in settings.search.space if "not read" in chosen[path].reason]


@given(users=st.integers(1, 300_000), by_hand=st.booleans())
def test_a_training_that_goes_on_takes_a_fifth_of_the_steps_at_most_and_has_the_shape_of_its_parent(
    users: int, by_hand: bool
) -> None:
    written = {"epochs": 7} if by_hand else {}
    settings = read_section(TrainingSettings, {**TRAINING, "optimisation": written})
    found = replace(SHOP, users=users, long=150)
    scratch, _ = choose_training(settings, found, 1)
    parent = Parent("version-1", ModelConfig(max_length=32))
    warm, chosen = choose_training(settings, found, 1, parent)
    epochs = (scratch.optimisation.epochs, warm.optimisation.epochs)
    if by_hand:
        assert epochs == (7, 7), "what is written by hand is obeyed"
    else:
        assert 1 <= epochs[1] <= max(1, epochs[0] // 5)
        assert "goes on from version-1" in chosen["optimisation.epochs"].reason
    assert warm.optimisation.warmup > scratch.optimisation.warmup > 0
    assert (warm.model.max_length, warm.model.attention_divisor) == (32, 43)
    assert "as version-1 has it" in chosen["model.max_length"].reason
    assert scratch.model.max_length > 32
