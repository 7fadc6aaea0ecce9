"""Training state on disk, without pickle: tensors in safetensors, counters in JSON."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

TENSORS = "state.safetensors"
COUNTERS = "state.json"
EPOCH = "epoch-"


def save_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """Writes what is needed to go on after `epoch` epochs as if training had not stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    save_file({name: value.detach().contiguous().cpu() for name, value in tensors.items()}, folder / TENSORS)
    draft = folder / f".{COUNTERS}"
    draft.write_text(json.dumps({"epoch": epoch}))
    draft.replace(folder / COUNTERS)


def next_checkpoint(run: Path, model: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    """Writes the checkpoint of `epoch` below `run`, then removes the one before it."""
    before = newest_checkpoint(run)
    save_checkpoint(run / f"{EPOCH}{epoch}", model, optimizer, epoch)
    if before and epochs_done(before) < epoch:
        shutil.rmtree(before, ignore_errors=True)


def newest_checkpoint(run: Path) -> Path | None:
    """The newest complete checkpoint below `run`: its counters are written last."""
    complete = [path.parent for path in run.glob(f"{EPOCH}*/{COUNTERS}")]
    return max(complete, key=epochs_done, default=None)


def epochs_done(checkpoint: Path) -> int:
    """After how many epochs one of `next_checkpoint` was written."""
    return int(checkpoint.name.removeprefix(EPOCH))


def load_checkpoint(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restores `model` and `optimizer` in place and returns the number of epochs done."""
    tensors = load_file(folder / TENSORS)
    model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(json.loads((folder / COUNTERS).read_text())["epoch"])
