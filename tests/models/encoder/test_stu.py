import math
from typing import Literal

import pytest
import torch
import torch.nn.functional as F

from models.attention.mask import AttentionMask
from models.config.model import StuConfig
from models.encoder.stack import Layout, Stack
from models.encoder.stu import StuLayer

WIDTH, HEADS, HEAD_DIM, DIVISOR = 5, 2, 3, 7
Norm = Literal["layer", "group"]


def layer(output_norm: Norm = "layer") -> StuLayer:
    torch.manual_seed(0)
    made = StuLayer(WIDTH, StuConfig(heads=HEADS, head_dim=HEAD_DIM, output_norm=output_norm), DIVISOR).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter))
    return made.eval()


def written_out(made: StuLayer, x: torch.Tensor, seen: list[list[int]], output_norm: str) -> torch.Tensor:
    """Section 2.6 of the spec, a token and a head at a time; `seen` lists the tokens that each token sees."""
    normed = F.layer_norm(x, (WIDTH,), made.input_norm.weight, made.input_norm.bias, 1e-6)
    u, v, q, k = (normed @ made.uvqk + made.uvqk_bias).split(HEADS * HEAD_DIM, dim=-1)
    u = u * torch.sigmoid(u)
    outputs = []
    for i, visible in enumerate(seen):
        heads = []
        for head in range(HEADS):
            part = slice(head * HEAD_DIM, (head + 1) * HEAD_DIM)
            mixed = torch.zeros(HEAD_DIM, dtype=x.dtype)
            for j in visible:
                score = q[i, part] @ k[j, part] / math.sqrt(HEAD_DIM)
                mixed = mixed + score * torch.sigmoid(score) / DIVISOR * v[j, part]
            heads.append(mixed)
        raw = torch.cat(heads)
        if output_norm == "group":
            normed_heads = [
                (mixed - mixed.mean()) / (mixed.var(correction=0) + 1e-6).sqrt() * weight + bias
                for mixed, weight, bias in zip(heads, made.norm_weight, made.norm_bias, strict=True)
            ]
            a = torch.cat(normed_heads)
        else:
            a = (raw - raw.mean()) / (raw.var(correction=0) + 1e-6).sqrt() * made.norm_weight + made.norm_bias
        outputs.append(x[i] + torch.cat([u[i], raw, u[i] * a]) @ made.output)
    return torch.stack(outputs)


@pytest.mark.parametrize("output_norm", ["layer", "group"])
def test_a_layer_is_the_equations_written_out(output_norm: Norm) -> None:
    made, x = layer(output_norm), torch.randn(5, WIDTH, dtype=torch.float64)
    times = torch.zeros(5, dtype=torch.int64)
    mask = AttentionMask(targets=torch.tensor([2]))
    shown = made(x, Layout(torch.tensor([0, 5]), times, times, mask))
    seen = [[0], [0, 1], [0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 4]]
    torch.testing.assert_close(shown, written_out(made, x, seen, output_norm))


def test_sizes_of_the_published_model() -> None:
    backbone = StuConfig(heads=4, head_dim=128)
    uvqk, norms, output = 512 * 2048 + 2048, 2 * 512, 3 * 512 * 512
    assert sum(p.numel() for p in StuLayer(512, backbone, 100).parameters()) == uvqk + norms + 2 * 512 + output
    grouped = backbone.model_copy(update={"output_norm": "group"})
    assert sum(p.numel() for p in StuLayer(512, grouped, 100).parameters()) == uvqk + norms + 2 * 4 + output


def test_initial_weights_as_published() -> None:
    made = StuLayer(64, StuConfig(heads=2, head_dim=32), 100)
    assert made.uvqk_bias.abs().sum() == 0
    for weight, fans in ((made.uvqk, 64 + 256), (made.output, 192 + 64)):
        bound = math.sqrt(6 / fans)
        assert 0.95 * bound < weight.abs().max() <= bound


def test_dropout_comes_after_the_three_parts_are_joined() -> None:
    made, dropped = layer().train(), []
    made.dropout.register_forward_hook(lambda module, arguments, output: dropped.append(output))
    x, times = torch.randn(50, WIDTH, dtype=torch.float64), torch.zeros(50, dtype=torch.int64)
    shown = made(x, Layout(torch.tensor([0, 50]), times, times))
    torch.testing.assert_close(shown, x + dropped[0] @ made.output)
    thirds = dropped[0].unflatten(-1, (3, HEADS * HEAD_DIM)) == 0
    assert (thirds.float().mean(dim=(0, 2)) > 0).all()


def test_the_future_does_not_reach_the_past() -> None:
    torch.manual_seed(0)
    stack = Stack(StuLayer(WIDTH, StuConfig(heads=HEADS, head_dim=HEAD_DIM), DIVISOR) for _ in range(2)).eval()
    x, times = torch.randn(9, WIDTH), torch.zeros(9, dtype=torch.int64)
    other = x.clone()
    other[5] = torch.randn(WIDTH)
    layout = Layout(torch.tensor([0, 9]), times, times)
    one, two = stack(x, layout), stack(other, layout)
    assert torch.equal(one[:5], two[:5])
    assert ((one[5:] - two[5:]).abs().amax(1) > 1e-4).all()
