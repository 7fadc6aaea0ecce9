"""Training state on disk, without pickle: tensors in safetensors, counters in JSON."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

TENSORS = "state.safetensors"
COUNTERS = "state.json"
EPOCH = "epoch-"


def save_checkpoint(folder: Path, task: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """Writes what is needed to go on after `epoch` epochs of `task` as if training had not stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {f"task.{name}": value for name, value in task.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    save_file({name: value.detach().contiguous().cpu() for name, value in tensors.items()}, folder / TENSORS)
    draft = folder / f".{COUNTERS}"
    draft.write_text(json.dumps({"epoch": epoch}))
    draft.replace(folder / COUNTERS)


def next_checkpoint(
    run: Path, task: nn.Module, optimizer: torch.optim.Optimizer, epoch: int, keep: int | None = None
) -> None:
    """Writes the checkpoint of `epoch` below `run`, then removes those of earlier epochs but `keep`."""
    save_checkpoint(run / f"{EPOCH}{epoch}", task, optimizer, epoch)
    for earlier in _complete(run):
        if epochs_done(earlier) < epoch and epochs_done(earlier) != keep:
            shutil.rmtree(earlier, ignore_errors=True)


def newest_checkpoint(run: Path) -> Path | None:
    """The newest complete checkpoint below `run`."""
    return max(_complete(run), key=epochs_done, default=None)


def checkpoint_of(run: Path, epoch: int) -> Path | None:
    """The complete checkpoint of `epoch` below `run`."""
    return next((found for found in _complete(run) if epochs_done(found) == epoch), None)


def epochs_done(checkpoint: Path) -> int:
    """After how many epochs one of `next_checkpoint` was written."""
    return int(checkpoint.name.removeprefix(EPOCH))


def load_checkpoint(folder: Path, task: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restores `task` and `optimizer` in place and returns the number of epochs done."""
    tensors = load_file(folder / TENSORS)
    task.load_state_dict(_below("task.", tensors))
    state = _optimizer_state(tensors)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(json.loads((folder / COUNTERS).read_text())["epoch"])


def load_model(folder: Path, model: nn.Module) -> None:
    """Restores the model of the task alone, in place."""
    model.load_state_dict(_below("task.model.", load_file(folder / TENSORS)))


def load_optimizer_state(folder: Path) -> dict[int, dict[str, Tensor]]:
    """The optimiser's state alone, as its `state_dict` has it."""
    return _optimizer_state(load_file(folder / TENSORS))


def _optimizer_state(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _below("optimizer.", tensors).items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    return state


def _complete(run: Path) -> list[Path]:
    """Checkpoints below `run` whose counters, which are written last, are there."""
    return [path.parent for path in run.glob(f"{EPOCH}*/{COUNTERS}")]


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
