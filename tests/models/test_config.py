import pytest
from pydantic import ValidationError

from models.config.model import Backbone, HstuConfig, LigrConfig, ModelConfig, SasrecConfig


@pytest.mark.parametrize(
    "backbone", [HstuConfig(layers=3, attention="softmax"), SasrecConfig(heads=2), LigrConfig(expansion=3)]
)
def test_a_configuration_survives_its_file(backbone: Backbone) -> None:
    config = ModelConfig(backbone=backbone)
    assert ModelConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"layers": 4}, HstuConfig(layers=4)),
        ({"name": "hstu_research", "heads": 1}, HstuConfig(heads=1)),
        ({"name": "sasrec", "layers": 1}, SasrecConfig(layers=1)),
        ({"name": "ligr"}, LigrConfig()),
    ],
)
def test_a_backbone_is_chosen_by_name_and_is_research_hstu_without(
    given: dict[str, object], expected: Backbone
) -> None:
    assert ModelConfig.model_validate({"backbone": given}).backbone == expected


def test_an_unknown_backbone_is_told_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="not one of hstu_research, sasrec, ligr"):
        ModelConfig.model_validate({"backbone": {"name": "gru4rec"}})


def test_variants_are_never_mixed() -> None:
    with pytest.raises(ValidationError, match="head_dim"):
        ModelConfig.model_validate({"backbone": {"name": "sasrec", "head_dim": 8}})


def test_heads_that_do_not_share_the_width_are_refused() -> None:
    with pytest.raises(ValidationError, match="width 50 does not divide into the 4 heads of ligr"):
        ModelConfig(width=50, backbone=LigrConfig(heads=4))
