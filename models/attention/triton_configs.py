"""Block sizes that the Triton kernels are tried with, once per process for each head width and class of length."""

import os
from typing import Any

import torch
import triton

# Triton reads this variable where a kernel is defined, that is when models.attention.triton is imported.
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"


def query_configs() -> list[triton.Config]:
    """Tiles of the kernel that walks along the keys, largest first."""
    if INTERPRETED:
        return [_config(16, 16)]
    shapes = [(128, 64, 8, 3), (128, 32, 8, 3), (64, 64, 4, 3), (64, 32, 4, 3), (64, 32, 4, 2), (32, 32, 4, 1)]
    return [_config(*shape) for shape in shapes]


def key_configs() -> list[triton.Config]:
    """Tiles of the kernel that walks along the queries. BLOCK_I may not exceed BLOCK_J: its sums by distance ask it."""
    if INTERPRETED:
        return [_config(16, 32)]
    shapes = [(64, 128, 8, 2), (32, 128, 8, 2), (64, 64, 8, 2), (64, 64, 4, 2), (32, 64, 4, 2), (32, 32, 4, 1)]
    return [_config(*shape) for shape in shapes]


def prune(configs: list[triton.Config], positional: dict[str, Any], **arguments: Any) -> list[triton.Config]:
    """The tiles that fit the device's shared memory. Under determinism one, found without the stopwatch."""
    q, deterministic = arguments["q"], arguments["DETERMINISTIC"]
    room: float = torch.cuda.get_device_properties(q.device).shared_memory_per_block_optin
    if deterministic:
        room *= 2 / 3  # The stopwatch passes over what does not fit after all; here nothing would.
    bytes_per_token = (arguments["COLUMNS"] + arguments["V_COLUMNS"]) * q.element_size()
    fitting = [config for config in configs if _shared_bytes(config, bytes_per_token) <= room] or configs[-1:]
    return fitting[:1] if deterministic else fitting


def _config(block_i: int, block_j: int, warps: int = 4, stages: int = 1) -> triton.Config:
    return triton.Config({"BLOCK_I": block_i, "BLOCK_J": block_j}, num_warps=warps, num_stages=stages)


def _shared_bytes(config: triton.Config, bytes_per_token: int) -> int:
    """About what a program keeps there: the tile it holds, those on their way, and one of scores."""
    i, j = config.kwargs["BLOCK_I"], config.kwargs["BLOCK_J"]
    return (max(i, j) + max(config.num_stages - 1, 1) * min(i, j)) * bytes_per_token + 4 * i * j
