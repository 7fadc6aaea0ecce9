import json

import polars as pl
import pytest
from pydantic import ValidationError

from assets.training.settings import SearchSettings, TrainingSettings
from assets.training.tune import MODEL, OPTIMISATION, with_values
from assets.training.version import tuned
from models.auto import read_section
from models.config.model import ModelConfig
from models.config.training import TrainingConfig


def test_values_stand_at_their_paths_and_whole_numbers_are_rounded() -> None:
    values = {"optimisation.loss.temperature": 0.1, "optimisation.loss.negatives": 99.6, "model.backbone.dropout": 0.4}
    training = with_values(TrainingConfig(), OPTIMISATION, values)
    assert (training.loss.temperature, training.loss.negatives) == (0.1, 100)
    assert with_values(ModelConfig(), MODEL, values).backbone.dropout == 0.4


@pytest.mark.parametrize(
    "path", ["optimisation.rate", "optimisation.loss", "optimisation.loss.shared", "optimisation.a.b"]
)
def test_a_path_that_names_no_number_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=rf"{path} is not a number among the settings"):
        with_values(TrainingConfig(), OPTIMISATION, {path: 1.0})


def test_bounds_and_paths_are_checked_with_the_profile() -> None:
    with pytest.raises(ValidationError, match=r"learning_rate is not a path below optimisation or model"):
        SearchSettings(space={"learning_rate": (1e-3, 1e-2)})
    with pytest.raises(ValidationError, match=r"the bounds of model\.width are 64 and 32"):
        SearchSettings(space={"model.width": (64, 32)})


def test_a_model_takes_what_the_best_trial_found() -> None:
    settings = TrainingSettings(positive_actions=("click",))
    found = [{"optimisation.learning_rate": 0.004, "model.width": 32.2}, {"optimisation.learning_rate": 0.9}]
    trials = pl.DataFrame({"learning_rate": [0.004, 0.9], "settings": [json.dumps(one) for one in found]})
    taken = tuned(settings, trials)
    assert (taken.optimisation.learning_rate, taken.model.width) == (0.004, 32)
    assert taken.optimisation.loss == settings.optimisation.loss
    left = read_section(TrainingSettings, {"positive_actions": ["click"]})
    found_by_hand = {"optimisation.learning_rate"}
    assert set(left.left_to_data) - set(tuned(left, trials).left_to_data) == found_by_hand
    with pytest.raises(ValueError, match="materialize `tuned_hyperparameters` again"):
        tuned(settings, trials.drop("settings"))
