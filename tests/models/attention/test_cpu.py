import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings

from models import native
from models.attention import AttentionBias, AttentionMask, blocked, cpu, hstu_attention, use_backend
from models.attention.bias import time_bucket
from models.attention.dispatch import Backend
from tests.models.attention.cases import Case, assert_agrees, cases

needs_compiler = pytest.mark.skipif(shutil.which("c++") is None, reason="there is no C++ compiler")

LONG = [130, 0, 64, 1, 65, 200]
MASKS = {
    "causal": AttentionMask(),
    "targets": AttentionMask(targets=torch.tensor([2, 0, 64, 1, 60, 100])),
    "window": AttentionMask(window=70),
    "full_tail": AttentionMask(targets=torch.tensor([2, 0, 3, 1, 60, 100]), window=7, full_tail=5),
}


@pytest.mark.parametrize("backend", [cpu, blocked])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_rows_around_the_edges_of_tiles(backend: ModuleType, mask: AttentionMask) -> None:
    assert_agrees(Case(LONG, heads=2, size=25, value_size=32, mask=mask), backend.hstu_attention, torch.float32, 1e-5)


@pytest.mark.parametrize("backend", [cpu, blocked])
def test_context_candidates_and_window_over_cached_keys(backend: ModuleType) -> None:
    mask = AttentionMask(targets=torch.tensor([2, 60, 0, 100]), context=3, window=10)
    case = Case([130, 64, 65, 200], mask=mask, asking=[10, 64, 0, 100])
    assert_agrees(case, backend.hstu_attention, torch.float32, 1e-5)


@pytest.mark.parametrize("backend", [cpu, blocked])
@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_any_shape(backend: ModuleType, case: Case) -> None:
    assert_agrees(case, backend.hstu_attention, torch.float32, 1e-5)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_bf16_rows_around_the_edges_of_tiles(mask: AttentionMask) -> None:
    assert_agrees(Case(LONG, heads=2, size=25, value_size=40, mask=mask), cpu.hstu_attention, torch.bfloat16, 2e-2)


@pytest.mark.parametrize("length", [200, 4096])
def test_bf16_is_as_exact_as_its_inputs(length: int) -> None:
    assert_agrees(Case([length], heads=1, size=32, value_size=32), cpu.hstu_attention, torch.bfloat16, 1e-2)


def test_many_rows_share_the_bias_of_their_heads() -> None:
    assert_agrees(Case([7, 70] * 10, heads=3), cpu.hstu_attention, torch.float32, 1e-5)


def test_the_number_of_threads_changes_nothing() -> None:
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        results.append(Case([7, 70, 300] * 6).run(cpu.hstu_attention, torch.float32))
    torch.set_num_threads(threads)
    for result in results[1:]:
        assert all(torch.equal(one, other) for one, other in zip(result, results[0], strict=True))


def test_slices_of_one_projection_need_no_copy() -> None:
    offsets = torch.tensor([0, 5, 9])
    joint = torch.randn(9, 3 * 2 * 4, generator=torch.Generator().manual_seed(0))
    q, k, v = (part.unflatten(-1, (2, 4)) for part in joint.chunk(3, dim=-1))
    assert not q.is_contiguous()
    dense = cpu.hstu_attention(q.contiguous(), k.contiguous(), v.contiguous(), offsets, divisor=9)
    assert torch.equal(cpu.hstu_attention(q, k, v, offsets, divisor=9), dense)


def test_the_table_of_buckets_agrees_with_the_formula_at_every_edge() -> None:
    edges, buckets = cpu.bucket_edges()
    seconds = torch.cat([edges[torch.isfinite(edges)].long() + shift for shift in (-1, 0, 1)]).clamp(0, 2**31 - 1)
    seconds = torch.cat([seconds, torch.arange(5000)])
    upper = (seconds.float().view(torch.int32) >> 20) - (127 << 3)
    index = upper.clamp(min=0).long()
    looked_up = buckets[index] + (seconds.float() >= edges[index]).int()
    assert torch.equal(looked_up.long(), time_bucket(seconds))


def test_times_are_bucketed_by_whole_seconds_of_their_difference() -> None:
    base = 978_300_760_123
    seconds = torch.tensor([0, 1, 2, 9, 60, 3600, 86_400, 10**9])
    key_times = (base - torch.cat([seconds * 1000 + rest for rest in (0, 1, 999)])).sort().values
    tokens = torch.zeros(len(key_times), 1, 1)
    weights = torch.arange(129.0)
    bias = AttentionBias(torch.zeros(99), weights, torch.full_like(key_times, base), key_times)
    mixed = cpu.hstu_attention(tokens, tokens, tokens + 1, torch.tensor([0, len(tokens)]), divisor=1, bias=bias)
    buckets = time_bucket((base - key_times) // 1000)
    expected = torch.nn.functional.silu(weights[buckets]).cumsum(0)
    torch.testing.assert_close(mixed.flatten(), expected)


def test_a_row_that_spans_a_century_is_named() -> None:
    tokens, times = torch.zeros(4, 1, 1), torch.tensor([0, 1, 0, 4 * 10**12])
    bias = AttentionBias(torch.zeros(9), torch.zeros(129), times, times)
    with pytest.raises(ValueError, match="row 1 spans more than 68 years"):
        cpu.hstu_attention(tokens, tokens, tokens, torch.tensor([0, 2, 4]), divisor=5, bias=bias)


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_row_beyond_the_positions_of_the_bias_is_named(backend: Backend) -> None:
    tokens, times = torch.zeros(8, 1, 1), torch.zeros(8, dtype=torch.long)
    bias = AttentionBias(torch.zeros(2 * 5 - 1), torch.zeros(129), times, times)
    with use_backend(backend), pytest.raises(ValueError, match="row 1 has 6 tokens, more than the 5 positions"):
        hstu_attention(tokens, tokens, tokens, torch.tensor([0, 2, 8]), divisor=5, bias=bias)


@pytest.mark.parametrize("backend", [cpu, blocked])
def test_a_nan_stays_in_its_row(backend: ModuleType) -> None:
    tokens = torch.randn(140, 2, 5, generator=torch.Generator().manual_seed(1))
    offsets = torch.tensor([0, 70, 140])
    clean = backend.hstu_attention(tokens, tokens, tokens, offsets, divisor=70)
    tokens[3, 0, 0] = torch.nan
    spoiled = backend.hstu_attention(tokens, tokens, tokens, offsets, divisor=70)
    assert torch.equal(spoiled[70:], clean[70:])
    assert spoiled[3:70].isnan().any(dim=(1, 2)).all()


def test_without_a_compiler_attention_is_blocked_pytorch(tmp_path: Path) -> None:
    program = (
        "import torch; from models import native; from models.attention import hstu_attention as f;"
        "from models.attention.cpu import SOURCE; assert not native.compiles(SOURCE);"
        "x = torch.arange(6.0).view(3, 1, 2); print(f(x, x, x, torch.tensor([0, 3]), divisor=3).flatten().tolist())"
    )
    environment = {**os.environ, "CXX": "no-such-compiler", native.CACHE_VARIABLE: str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    tokens = torch.arange(6.0).view(3, 1, 2)
    expected = cpu.hstu_attention(tokens, tokens, tokens, torch.tensor([0, 3]), divisor=3).flatten().tolist()
    assert eval(done.stdout) == pytest.approx(expected, rel=1e-5)
    assert "no C++ compiler found" in done.stderr
    assert not list(tmp_path.iterdir())


@needs_compiler
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the flags are those of x86")
@pytest.mark.parametrize("flags", ["-mno-amx-bf16", "-march=x86-64"])
def test_processors_without_matrix_unit_or_wide_vectors(flags: str, tmp_path: Path) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text(f'#!/bin/sh\nexec c++ "$@" {flags}\n')
    compiler.chmod(0o755)
    program = (
        "import torch; from models.attention import cpu; from tests.models.attention.cases import Case, assert_agrees;"
        "assert_agrees(Case([70, 3, 130]), cpu.hstu_attention, torch.float32, 1e-5);"
        "assert_agrees(Case([70, 3, 130]), cpu.hstu_attention, torch.bfloat16, 2e-2)"
    )
    environment = {**os.environ, "CXX": str(compiler), native.CACHE_VARIABLE: str(tmp_path / "kernels")}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, cwd=Path(__file__).parents[3])
    assert len(list((tmp_path / "kernels").iterdir())) == 1


@needs_compiler
def test_a_kernel_that_does_not_compile_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.CACHE_VARIABLE, str(tmp_path))
    source = tmp_path / "broken.cpp"
    source.write_text("this is no program")
    with pytest.raises(native.NoCompiler, match=r"cannot compile broken\.cpp"):
        native.kernel(source)
    with pytest.warns(UserWarning, match=r"cannot compile broken\.cpp"):
        assert not native.compiles(source)


@needs_compiler
def test_a_folder_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv(native.CACHE_VARIABLE, "/proc/no-such-folder")
    assert native.kernel.__wrapped__(cpu.SOURCE).hstu_attention_forward
