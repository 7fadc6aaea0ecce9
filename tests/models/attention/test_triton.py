import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from models.attention.bias import time_bucket
from models.attention.triton_buckets import NEVER, SEGMENT_SHIFT, bucket_tables

KERNELS = Path(__file__).with_name("test_triton_kernels.py")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the kernels are tested on the GPU")
def test_the_kernels_on_the_interpreter() -> None:
    """Triton chooses between compiler and interpreter once in a process, when it is first imported."""
    pytest.importorskip("triton")
    # By its name alone: to pytest brackets in the path of a clone are parameters.
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--durations=0", KERNELS.name]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, cwd=KERNELS.parent, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_the_tables_of_buckets_agree_with_the_formula_around_every_edge() -> None:
    edges, around = bucket_tables(torch.device("cpu"))
    reached = edges[edges < NEVER]
    quarters = (torch.arange(127 << 2, 189 << 2) << 21).int().view(torch.float32)
    near = torch.cat([quarters.long() + shift * (quarters * 2**-24).ceil().long() for shift in range(-3, 4)])
    milliseconds = torch.cat([*(reached + shift for shift in (-1, 0, 1)), near, torch.arange(9000)]).clamp(min=0)
    segment = milliseconds.float().view(torch.int32) >> SEGMENT_SHIFT
    lower, upper = around[segment].long().unbind(1)
    looked_up = torch.where(milliseconds >= edges[upper], upper, lower)
    assert torch.equal(looked_up, time_bucket(milliseconds // 1000))
    assert len(reached) > 115


@pytest.mark.parametrize(
    "shape",
    [
        {"TARGETS": False, "CONTEXT": 0, "WINDOW": 0, "FULL_TAIL": 0, "DETERMINISTIC": False},
        {"TARGETS": True, "CONTEXT": 2, "WINDOW": 5, "FULL_TAIL": 3, "DETERMINISTIC": True},
    ],
)
def test_the_kernels_compile_for_a_gpu_that_is_not_there(
    shape: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interpreter is Python and forgives what the compiler does not."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget

    from models.attention.triton_keys import keys_kernel
    from models.attention.triton_queries import queries_kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    pointers = dict.fromkeys(("q", "k", "v", "mixed_gradient", "result", "dk", "dv"), "*bf16")
    pointers |= dict.fromkeys(("dq", "bias_gradient", "position", "time"), "*fp32")
    pointers |= dict.fromkeys(("order", "around"), "*i32") | {"scale": "fp32"}
    pointers |= dict.fromkeys(("offsets", "query_offsets", "targets", "query_times", "key_times", "edges"), "*i64")
    constants = {"WIDTH": 50, "V_WIDTH": 50, "COLUMNS": 64, "V_COLUMNS": 64, "BIAS": True, "APPROXIMATE": True, **shape}
    for kernel, more in ((queries_kernel, {"BACKWARD": False}), (keys_kernel, {"BIAS_GRADIENT": True, "BUCKETS": 129})):
        smallest = kernel.configs[-1]
        known = {**constants, **more, **smallest.kwargs}
        signature = {name: "constexpr" if name in known else pointers.get(name, "i32") for name in kernel.arg_names}
        source = triton.compiler.ASTSource(kernel.fn, signature, known)
        options = {"num_warps": smallest.num_warps, "num_stages": smallest.num_stages}
        compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        assert len(compiled.asm["cubin"]) > 10_000
