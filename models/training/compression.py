"""What workers send each other of their gradients (PyTorch's DDP communication hooks)."""

from typing import cast

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from models.config.training import TrainingConfig

POWERSGD_BEGINS = 100
"""Steps before PowerSGD begins: the first gradients change too fast for what it remembers of them."""


def compress_gradients(module: nn.Module, config: TrainingConfig) -> nn.Module:
    """Has a module that was wrapped for several workers exchange its gradients as configured; any other stays."""
    if config.gradient_compression == "none" or not isinstance(module, DistributedDataParallel):
        return module
    from torch.distributed.algorithms.ddp_comm_hooks import default_hooks, powerSGD_hook

    if config.gradient_compression == "powersgd":
        state = powerSGD_hook.PowerSGDState(
            None, matrix_approximation_rank=config.powersgd_rank, start_powerSGD_iter=POWERSGD_BEGINS
        )
        module.register_comm_hook(state, powerSGD_hook.powerSGD_hook)
    else:
        hooks = {"fp16": default_hooks.fp16_compress_hook, "bf16": default_hooks.bf16_compress_hook}
        module.register_comm_hook(None, hooks[config.gradient_compression])
    return cast(nn.Module, module)
