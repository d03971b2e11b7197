"""Several processes that train one model: who they are, how weights are shared out (FSDP2), what they agree on.

Started by `torchrun`, each process finds its place in the environment. Every block is a unit whose weights, gradients and
optimiser state lie in equal parts on all ranks; a unit is gathered when it computes (arXiv 2304.11277).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from vitruvian.device import Compute
from vitruvian.errors import UsageError
from vitruvian.model.vit import Block

Over: TypeAlias = Literal["all", "node"]

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}


@dataclass(frozen=True)
class World:
    """The place of this process among those that train together."""

    rank: int = 0
    ranks: int = 1
    local: int = 0  # among those of this machine
    together: int = 1  # how many of them this machine has

    @property
    def first(self) -> bool:
        """The one that writes and tells."""
        return self.rank == 0


def world() -> World:
    """The place that `torchrun` gave this process; alone where nothing says otherwise. UsageError for half a place."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    given = [os.environ.get(name) for name in names]
    if all(value is None for value in given):
        return World()
    try:
        rank, ranks, local = (int(cast(str, value)) for value in given)
        return World(rank, ranks, local, int(os.environ.get("LOCAL_WORLD_SIZE", ranks)))
    except (TypeError, ValueError):
        told = ", ".join(f"{name}={value}" for name, value in zip(names, given, strict=True))
        raise UsageError(f"the environment says {told}. Fix: start with torchrun, or unset them.") from None


@contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """The place of this process, with a process group to the others while inside. On CUDA each takes the GPU of its place."""
    place = world()
    if place.ranks == 1 or dist.is_initialized():
        yield place
        return
    if device.type not in BACKENDS:
        raise UsageError(f"several processes on {device.type}. Allowed: {', '.join(BACKENDS)}.")
    if device.type == "cuda":
        torch.cuda.set_device(place.local)
    dist.init_process_group(BACKENDS[device.type])
    try:
        yield place
    finally:
        dist.destroy_process_group()


def shard(model: nn.Module, compute: Compute, place: World, over: Over = "all") -> None:
    """Share out the weights, in place; every rank must hold the same ones. Nothing for a single process.

    over: `all` ranks, or those of each `node`, so that only sums of gradients go between nodes. In bf16 the gathered weights
    are bf16, the sums of gradients float32. UsageError for nodes of unequal numbers of ranks.
    """
    if place.ranks == 1:
        return
    sizes = _mesh(place, over)
    mesh = init_device_mesh(compute.device.type, sizes, mesh_dim_names=("nodes", "ranks")[-len(sizes) :])
    gathered = compute.dtype if compute.dtype != torch.float32 else None
    policy = MixedPrecisionPolicy(param_dtype=gathered, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for module in model.modules():
        if isinstance(module, Block):
            fully_shard(module, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)


def _mesh(place: World, over: Over) -> tuple[int, ...]:
    if over == "all" or place.together == place.ranks:
        return (place.ranks,)
    if place.ranks % place.together:
        told = f"{place.ranks} ranks, {place.together} of them on this node"
        raise UsageError(f"shard 'node' with {told}. Allowed: equal numbers on all nodes. Fix: shard 'all'.")
    return place.ranks // place.together, place.together


def draw_apart(place: World, seed: int, step: int) -> None:
    """Let the ranks draw different things in a step (dropout, left-out branches), as one process would for its examples.

    A function of seed, step and rank, so a resumed run draws the same. Nothing for a single process, whose state is saved.
    """
    if place.ranks > 1:
        torch.manual_seed(int(np.random.SeedSequence([seed, step, place.rank]).generate_state(1)[0]))


def whole(value: Tensor) -> Tensor:
    """A plain tensor of what may lie in parts; every rank must ask."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def any_rank(said: bool, device: torch.device) -> bool:
    """Whether any rank says so; every rank must ask."""
    if not dist.is_initialized():
        return said
    flag = torch.tensor(float(said), device=device)
    dist.all_reduce(flag, dist.ReduceOp.MAX)
    return bool(flag.item())
