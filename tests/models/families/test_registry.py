"""The type of a profile's field that takes any family's configuration."""

from typing import Literal
from unittest.mock import patch

import pytest
from pydantic import TypeAdapter, ValidationError

from models.config.model import ModelConfig, RecommenderConfig, SasrecConfig
from models.families.registry import FAMILIES, any_config
from models.families.retrieval import RetrievalFamily
from orchestration.launchpad import overridden, schema


class LastItemConfig(RecommenderConfig):
    family: Literal["last_item"] = "last_item"
    decay: float = 0.5


class LastItem(RetrievalFamily):
    name = "last_item"
    config = LastItemConfig

    def layers(self, config: LastItemConfig) -> list:
        return []


def test_the_backbone_tells_the_three_families_of_one_configuration() -> None:
    read = TypeAdapter(any_config("retrieval")).validate_python
    assert read({"width": 8}).family == "hstu"
    assert read({"backbone": {"name": "sasrec"}}) == ModelConfig(backbone=SasrecConfig())


def test_another_family_is_read_by_its_name_and_shown_in_the_launchpad() -> None:
    with patch.dict(FAMILIES, {"last_item": LastItem()}):
        annotation = any_config("retrieval")
    read = TypeAdapter(annotation).validate_python
    assert read({"family": "last_item", "width": 8, "decay": 0.1}) == LastItemConfig(width=8, decay=0.1)
    assert read(LastItemConfig()) == LastItemConfig()
    assert read({"width": 8}) == ModelConfig(width=8)
    with pytest.raises(ValidationError, match="not one of hstu, sasrec, ligr, last_item"):
        read({"family": "unknown"})
    with pytest.raises(ValidationError, match="decay"):
        read({"width": 8, "decay": 0.1})
    assert {"decay", "family", "backbone", "width"} <= set(schema(annotation).fields)
    base = ModelConfig(width=8).model_dump()
    assert overridden(annotation, {"width": 8, "backbone": base["backbone"]}, {"width": 16})["width"] == 16
