"""Sizes as published, and settings that contradict each other."""

from typing import Any

import pytest
import torch

from models.argus.config import ArgusConfig, ColumnConfig, FactorConfig
from models.argus.model import Argus
from models.encoder.stack import Stack
from tests.models.argus.worlds import config

PUBLISHED = {"mini": 3.2e6, "small": 18.9e6, "medium": 126.0e6, "large": 1.007e9, "hstu": 176.0e6}
"""Parameters of the encoder (ARGUS paper, Table 3)."""


def parameters(of: Stack) -> int:
    return sum(parameter.numel() for parameter in of.parameters())


@pytest.mark.parametrize(("size", "published"), PUBLISHED.items())
def test_sizes_are_the_published_ones(size: str, published: float) -> None:
    with torch.device("meta"):
        model = Argus(ArgusConfig.model_validate({"size": size}), items=10)
    layers, width = model.config.backbone.layers, model.config.width
    matrices = sum(p.numel() for p in model.layers.parameters() if p.dim() > 1)
    assert matrices == (7 if size == "hstu" else 12) * layers * width**2
    assert parameters(model.layers) == pytest.approx(published, rel=0.015)
    assert model.embedding.table.numel() == 2**19 * 256
    assert model.config.output_width == 512


def test_a_size_fills_in_what_is_left_out() -> None:
    made = ArgusConfig.model_validate({"size": "mini", "output_width": 64, "max_length": 32})
    assert (made.width, made.output_width, made.max_length, made.size) == (256, 64, 32, None)
    assert ArgusConfig.model_validate_json(made.model_dump_json()) == made


def test_backbones_can_be_made_equal_in_parameters() -> None:
    shapes: list[dict[str, Any]] = [
        {"name": "transformer", "layers": 2, "heads": 2},
        {"name": "hstu_research", "layers": 2, "heads": 6, "head_dim": 32},
    ]
    counts = [
        sum(p.numel() for p in Argus(config(width=80, backbone=shape), 5).layers.parameters() if p.dim() > 1)
        for shape in shapes
    ]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"backbone": {"heads": 5}}, "width 12 does not divide into the 5 heads"),
        ({"next_item": False, "factors": ()}, "there is nothing to learn"),
        ({"next_item": False, "form": "interleaved"}, "the interleaved form tells the next item"),
        ({"factors": (FactorConfig(name="buy", action="buy"),)}, "is of the action 'buy', not one of"),
        (
            {"factors": (FactorConfig(name="s", column="surface"),)},
            "'surface', which is known at the request: feedback",
        ),
        (
            {"factors": (FactorConfig(name="s", column="price", edges=(1.0,)),)},
            "'price', which is not read: feedback is",
        ),
        ({"factors": (FactorConfig(name="v", column="value"),)}, "factor v has 1 classes"),
        ({"factors": (FactorConfig(name="v", column="value", edges=(1.0,), absent=2),)}, "`absent` is one of them"),
        ({"actions": ("like", "like")}, r"\('like', 'like'\) are declared twice"),
        ({"backbone": {"name": "mamba"}}, "the backbone's name is not one of"),
    ],
)
def test_contradictions_are_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**more)


def test_a_factor_is_told_by_one_thing() -> None:
    for more, message in (
        ({}, "by an action or by a column"),
        ({"action": "a", "column": "b"}, "by an action or by a column"),
        ({"action": "a", "edges": (1.0,)}, "which has neither edges"),
        ({"column": "b", "edges": (2.0, 1.0)}, "each must lie above the one before"),
        ({"name": "next_item", "action": "a"}, "which is the other loss"),
    ):
        with pytest.raises(ValueError, match=message):
            FactorConfig.model_validate({"name": "f", **more})
    with pytest.raises(ValueError, match="each must lie above"):
        ColumnConfig(name="c", role="item", edges=(1.0, 1.0))
