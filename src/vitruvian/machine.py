"""What this machine can do and holds: the speed of its matrix products, memory taken and free."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import torch

from vitruvian.device import Compute

MATMUL = {"cpu": 2048, "cuda": 8192, "mps": 4096}  # side of the matrices that the best speed is measured with


@cache
def best_flops(compute: Compute, rounds: int = 5) -> float:
    """Operations a second of a large matrix product on this device in this precision, measured once.

    The fastest of `rounds`: others at work on the machine only slow one down.
    """
    side = MATMUL[compute.device.type]
    own = torch.Generator(compute.device).manual_seed(0)  # nobody else's random numbers change
    a, b = (torch.randn(side, side, device=compute.device, dtype=compute.dtype, generator=own) for _ in "ab")
    seconds = []
    for _ in range(rounds + 1):
        begin = now(compute.device)
        a @ b
        seconds.append(now(compute.device) - begin)
    return 2 * side**3 / min(seconds[1:])


def now(device: torch.device) -> float:
    """Seconds, when all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
    return time.perf_counter()


class Peak:
    """The most memory since it was made: of the GPU, or of this process (Linux; else unknown)."""

    def __init__(self, compute: Compute) -> None:
        self.cuda = compute.device if compute.device.type == "cuda" else None
        if self.cuda:
            torch.cuda.reset_peak_memory_stats(self.cuda)
            self.before: int | None = torch.cuda.memory_allocated(self.cuda)
        else:
            self.before = memory("VmRSS") if _forget_peak() else None

    def highest(self) -> int | None:
        """Bytes in all."""
        if self.before is None:
            return None
        return torch.cuda.max_memory_allocated(self.cuda) if self.cuda else memory("VmHWM")

    def bytes(self) -> int | None:
        """Bytes beyond what was held at the beginning."""
        highest = self.highest()
        return None if highest is None or self.before is None else max(0, highest - self.before)


def _forget_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def memory(name: str) -> int | None:
    """A figure of this process in bytes, by its name in /proc/self/status; None where there is none."""
    return _kilobytes(Path("/proc/self/status"), name)


def free_memory(compute: Compute) -> int | None:
    """Bytes that can still be had on the device; None where the system does not tell."""
    if compute.device.type == "cuda":
        return int(torch.cuda.mem_get_info(compute.device)[0])
    return _kilobytes(Path("/proc/meminfo"), "MemAvailable") if compute.device.type == "cpu" else None


def _kilobytes(path: Path, name: str) -> int | None:
    if not path.is_file():
        return None
    lines = (line.split() for line in path.read_text().splitlines())
    return next((1024 * int(words[1]) for words in lines if words and words[0] == f"{name}:"), None)
