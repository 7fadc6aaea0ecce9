import numpy as np
import pytest
import torch

from benchmarks.attention_cuda import CUTLASS_MS, flops, stochastic_lengths
from benchmarks.attention_sides import Shape, hstu_side, sdpa_side, uniform_lengths, zipf_lengths


def test_lengths_end_at_the_longest() -> None:
    assert zipf_lengths(4096, 4) == (8, 64, 512, 4096)
    assert uniform_lengths(4096, 4) == (1024, 2048, 3072, 4096)


def test_stochastic_length_keeps_few_rows_whole() -> None:
    # N^(1.6 / 2) of N = 8192 is 1351; 32 * 8192^-0.4 = 0.87 rows stay whole.
    assert stochastic_lengths(8192, 32, 1.6) == (8192,) + (1351,) * 31
    assert stochastic_lengths(512, 8, 2.0) == (512,) * 8


def test_flops_are_counted_as_nvidia_counts_them() -> None:
    # Their table: 1.04 ms at n = 4096 is 528 TFLOPS.
    assert flops(Shape((4096,) * 32, 4, 128)) / (CUTLASS_MS[4096][0] * 1e-3) / 1e12 == pytest.approx(528, abs=1)


def test_all_sides_take_gradients() -> None:
    shape = Shape((3, 8), heads=2, width=4)
    assert shape.fill == 11 / 16
    for side in (hstu_side(shape, "reference"), sdpa_side(shape)):
        out = side.attend()
        side.backward()()
        side.forward_backward()
        grads = torch.autograd.grad(out.square().sum(), side.leaves)
        assert all(np.isfinite(grad.numpy()).all() and grad.abs().sum() > 0 for grad in grads)


def test_backends_attend_to_the_same_inputs() -> None:
    shape = Shape((3, 8), heads=2, width=4)
    torch.testing.assert_close(hstu_side(shape, "reference").attend(), hstu_side(shape, "cpu").attend())
