"""Layers are checked against the published blocks written out with torch's own modules."""

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.config.model import LigrConfig, SasrecConfig
from models.encoder.stack import Layout
from models.encoder.transformer import LigrLayer, SasrecLayer, TransformerLayer

WIDTH, HEADS, LENGTH = 12, 3, 5
Layer = TypeVar("Layer", bound=TransformerLayer)


def layout(length: int = LENGTH) -> Layout:
    times = torch.zeros(length, dtype=torch.int64)
    return Layout(torch.tensor([0, length]), times, times)


def torch_attention(layer: TransformerLayer, asking: Tensor, answering: Tensor) -> Tensor:
    attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    attention.load_state_dict(
        {
            "in_proj_weight": layer.qkv.weight,
            "in_proj_bias": layer.qkv.bias,
            "out_proj.weight": layer.output.weight,
            "out_proj.bias": layer.output.bias,
        }
    )
    future = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1)
    mixed, _ = attention(asking[None], answering[None], answering[None], attn_mask=future)
    return mixed[0]


def shaken(layer: Layer) -> Layer:
    """With biases and norms that are neither 0 nor 1."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return layer.eval()


def test_sasrec_is_the_published_block() -> None:
    torch.manual_seed(0)
    layer, x = shaken(SasrecLayer(WIDTH, SasrecConfig(heads=HEADS))), torch.randn(LENGTH, WIDTH)
    queries = F.layer_norm(x, (WIDTH,), eps=1e-8)
    y = F.layer_norm(queries + torch_attention(layer, queries, x), (WIDTH,), eps=1e-8)
    expected = y + layer.forward_out(layer.forward_in(y).clamp(min=0))
    torch.testing.assert_close(layer(x, layout()), expected)


def test_ligr_gates_both_residuals() -> None:
    torch.manual_seed(0)
    layer, x = shaken(LigrLayer(WIDTH, LigrConfig(heads=HEADS))), torch.randn(LENGTH, WIDTH)
    normed = layer.attention_norm(x)
    y = x + torch.sigmoid(layer.attention_gate(x)) * torch_attention(layer, normed, normed)
    inner = layer.forward_norm(y)
    opened = layer.forward_open(inner)
    mixed = layer.forward_out(opened * torch.sigmoid(opened) * layer.forward_in(inner))
    torch.testing.assert_close(layer(x, layout()), y + torch.sigmoid(layer.forward_gate(y)) * mixed)


def test_published_sizes() -> None:
    """At d = 50: SASRec 4 d^2 + 4 d of attention and 2 d^2 + 2 d; LiGR's attention, two gates, SwiGLU and two norms."""
    sasrec, ligr = SasrecLayer(50, SasrecConfig()), LigrLayer(50, LigrConfig())
    assert sum(parameter.numel() for parameter in sasrec.parameters()) == 10_200 + 5_100
    assert sum(parameter.numel() for parameter in ligr.parameters()) == 10_200 + 5_100 + 3 * 10_000 + 200


def test_attention_starts_without_biases() -> None:
    for layer in (SasrecLayer(WIDTH, SasrecConfig()), LigrLayer(WIDTH, LigrConfig())):
        assert not layer.qkv.bias.any()
        assert not layer.output.bias.any()
        assert layer.qkv.weight.std().item() > 0


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    x = torch.randn(LENGTH, WIDTH)
    for layer in (SasrecLayer(WIDTH, SasrecConfig(dropout=0.5)), LigrLayer(WIDTH, LigrConfig(dropout=0.5))):
        assert not torch.equal(layer(x, layout()), layer(x, layout()))
        layer.eval()
        assert torch.equal(layer(x, layout()), layer(x, layout()))
