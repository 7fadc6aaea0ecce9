"""Which settings model checks which section of a profile: each stage's own, in its own room."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter, ValidationError

from models.strict import sentence

SETTINGS = {
    "source": "assets.sources.settings:SourceSettings",
    "quality": "assets.validation.settings:QualitySettings",
    "content": "assets.content.settings:ContentSettings",
    "training": "assets.training.settings:TrainingSettings",
    "evaluation": "assets.splits.settings:EvaluationSettings",
    "release": "assets.release.gate:GateSettings",
    "endpoint": "serving.settings:EndpointSettings",
    "retention": "assets.retention.settings:RetentionSettings",
}


class StageError(ValueError):
    """A stage's section does not fit the stage's settings; the message names the keys."""


def check_stage(stage: str, section: Mapping[str, Any]) -> Any:
    """The stage's settings as `section` gives them.

    Raises:
        StageError: an unknown key, a missing one, or a value that does not fit.
    """
    module, name = SETTINGS[stage].split(":")
    try:
        return TypeAdapter(getattr(import_module(module), name)).validate_python(section)
    except ValidationError as error:
        raise StageError(sentence(error, stage)) from error
