"""AdamW with layer-wise decay, and learning-rate schedules as pure functions of the step (Sapiens v1, arXiv 2408.12569)."""

from __future__ import annotations

import bisect
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from vitruvian.errors import UsageError
from vitruvian.train.config import TrainConfig

_BLOCK = re.compile(r"backbone\.blocks\.(\d+)\.")
_INPUT = re.compile(r"(backbone\.(position|class_token|patch\.|stem\.))|decoder\.mask_token$")


def block_count(model: nn.Module) -> int:
    """How many blocks the backbone has, read from the parameter names; 0 without a backbone."""
    blocks = [_BLOCK.match(name) for name, _ in model.named_parameters()]
    return 1 + max((int(block[1]) for block in blocks if block), default=-1)


def layer_of(name: str, blocks: int) -> int:
    """0 for what makes tokens, i + 1 for block i, blocks + 1 for all the rest (last norm, heads, decoder)."""
    if _INPUT.match(name):
        return 0
    block = _BLOCK.match(name)
    return int(block[1]) + 1 if block else blocks + 1


def decays(name: str, tensor: Tensor, no_decay: tuple[str, ...]) -> bool:
    """Whether weight decay pulls on this parameter: not on 1-D tensors, biases and the names listed."""
    return tensor.ndim > 1 and not name.endswith(".bias") and not any(part in name for part in no_decay)


def parameter_groups(model: nn.Module, config: TrainConfig) -> list[dict[str, Any]]:
    """Optimiser groups, one per (lr_scale, weight_decay); lr_scale = layer_decay ** (blocks + 1 - layer)."""
    blocks = block_count(model)
    groups: dict[tuple[float, float], dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        scale = config.layer_decay ** (blocks + 1 - layer_of(name, blocks))
        weight_decay = config.weight_decay if decays(name, parameter, config.no_decay) else 0.0
        empty = {"params": [], "names": [], "lr": config.lr * scale, "lr_scale": scale, "weight_decay": weight_decay}
        group = groups.setdefault((scale, weight_decay), empty)
        group["params"].append(parameter)
        group["names"].append(name)
    if not groups:
        raise UsageError("the model has no parameter to train")
    return [groups[key] for key in sorted(groups)]


def adamw(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """Fused AdamW over `parameter_groups`; the fused kernel is the fastest on CPUs too."""
    return torch.optim.AdamW(parameter_groups(model, config), lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def warmup_factor(step: int, steps: int, start: float) -> float:
    """Linear from `start` at step 0 to 1 at step `steps - 1` (the official arithmetic), 1 afterwards."""
    return 1.0 if step >= steps - 1 else start + (1 - start) * step / (steps - 1)


def decay_factor(step: int, config: TrainConfig) -> float:
    """The schedule without its warm-up. Linear reaches the floor in the last unit, so officially the last epoch runs at 0."""
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "step":
        return config.gamma ** bisect.bisect_right(config.milestones, step)
    begin = config.warmup if config.decay_from == "warmup" else 0
    unit = max(step - begin, 0) // config.schedule_unit
    units = max(-(-(config.steps - begin) // config.schedule_unit), 1)  # a last one begun counts whole
    if config.schedule == "linear":
        share = (units - 1 - unit) / (units - 1) if units > 1 else 1.0
    else:
        share = (1 + math.cos(math.pi * min(unit / units, 1))) / 2
    return config.floor + (1 - config.floor) * share


def lr_factor(step: int, config: TrainConfig) -> float:
    """What the base learning rate is multiplied by at a 0-based step."""
    return warmup_factor(step, config.warmup, config.warmup_factor) * decay_factor(step, config)


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, config: TrainConfig) -> float:
    """Give every group its rate for this step; returns that of the last layers."""
    rate = config.lr * lr_factor(step, config)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_scale"]
    return rate


class Average:
    """Exponential moving average of a model's floating tensors; others are copied.

    The decay starts low, min(decay, (1 + n) / (10 + n)), so that the first weights are soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards the model after the 0-based step."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        pairs = [(self.state[name], tensor) for name, tensor in model.state_dict().items()]
        moving = [pair for pair in pairs if pair[0].is_floating_point()]
        torch._foreach_lerp_([a for a, _ in moving], [b for _, b in moving], weight)
        for mine, theirs in pairs:
            if not mine.is_floating_point():
                mine.copy_(theirs)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Take over the averages of whole tensors, of which each rank keeps its part."""
        for name, mine in self.state.items():
            theirs = state[name]
            if isinstance(mine, DTensor):
                theirs = distribute_tensor(theirs.to(mine.device), mine.device_mesh, mine.placements)
            mine.copy_(theirs)

    def swap(self, model: nn.Module) -> None:
        """Exchange the model's tensors with the average in place; a second call takes it back."""
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                kept = tensor.clone()
                tensor.copy_(self.state[name])
                self.state[name].copy_(kept)
