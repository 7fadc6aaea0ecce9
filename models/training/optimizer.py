"""The optimiser and its learning rate at each step, as the configuration has them."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from models.config.training import TrainingConfig

OPTIMIZERS: dict[str, type[torch.optim.Adam]] = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""What each of them keeps of a parameter."""

FACTOR = "factor"
"""Of a group of parameters: what the learning rate is multiplied by."""


def make_optimizer(model: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """The optimiser of all of the model's parameters, in a group for each of `config.learning_rates` and one besides.

    Single numbers, such as the scale of the scores, do not decay.

    Raises:
        ValueError: a group has no parameter; it names it.
    """
    groups: dict[str, list[Tensor]] = {name: [] for name in ("", *config.learning_rates)}
    for name, parameter in model.named_parameters():
        groups[max((group for group in groups if _within(name, group)), key=len)].append(parameter)
    empty = [name for name, parameters in groups.items() if name and not parameters]
    if empty:
        parts = ", ".join(dict.fromkeys(name.rpartition(".")[0] or name for name, _ in model.named_parameters()))
        raise ValueError(f"learning_rates names {empty[0]!r}, where the model has no parameter of its own: {parts}")
    return OPTIMIZERS[config.optimizer](
        [
            {"params": some, FACTOR: config.learning_rates.get(name, 1.0), "weight_decay": decay}
            for name, parameters in groups.items()
            for some, decay in (
                ([weight for weight in parameters if weight.dim()], config.weight_decay),
                ([weight for weight in parameters if not weight.dim()], 0.0),
            )
            if some
        ],
        lr=config.learning_rate,
        betas=config.betas,
        fused=True,
    )


def named_state(model: nn.Module, optimizer: torch.optim.Optimizer, state: Mapping[int, Any]) -> dict[str, Tensor]:
    """An optimiser's state by the parameters' names, such as `items.ids.weight.exp_avg`, as it is kept with a version.

    Args:
        optimizer: Made by `make_optimizer` of `model`.
        state: As its `state_dict` has it, by the parameters' places in the groups.
    """
    names = _names(model, optimizer)
    return {f"{names[place]}.{key}": value for place, some in state.items() for key, value in some.items()}


def begin_with(model: nn.Module, optimizer: torch.optim.Optimizer, kept: Mapping[str, Tensor]) -> None:
    """Gives a fresh optimiser of `model` what `named_state` told of an earlier one; other parameters begin anew."""
    state: dict[int, dict[str, Tensor]] = {}
    for place, name in enumerate(_names(model, optimizer)):
        some = {key: kept[f"{name}.{key}"] for key in MOMENTS if f"{name}.{key}" in kept}
        if len(some) == len(MOMENTS):
            state[place] = some
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _names(model: nn.Module, optimizer: torch.optim.Optimizer) -> list[str]:
    """The parameters' names by their places in the groups."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]


def set_learning_rate(optimizer: torch.optim.Optimizer, config: TrainingConfig, epochs: float, step: float) -> None:
    """Sets every group's learning rate for the step after `epochs` epochs, one step being `step` of an epoch."""
    factor = schedule_factor(config, epochs / config.epochs, step / config.epochs)
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * factor * group[FACTOR]


def schedule_factor(config: TrainingConfig, done: float, step: float) -> float:
    """What the schedule multiplies the learning rate by, for the step after the share `done` of all.

    Args:
        done: 0..1.
        step: One step, as a share of all.
    """
    if done < config.warmup:
        return min(1.0, (done + step) / config.warmup)
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (done - config.warmup) / (1 - config.warmup)))


def _within(parameter: str, group: str) -> bool:
    return not group or parameter == group or parameter.startswith(f"{group}.")
