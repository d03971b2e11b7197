"""Where and in which precision a model is trained and runs: chosen here alone, said aloud, never changed in silence."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import torch

from vitruvian.errors import UsageError, unknown_name

Device: TypeAlias = Literal["auto", "cpu", "cuda", "mps"]
Dtype: TypeAlias = Literal["auto", "fp32", "bf16"]
DEVICES = get_args(Device)
DTYPES = {"auto": None, "fp32": torch.float32, "bf16": torch.bfloat16}
CPU_FLAGS = ("amx_bf16", "avx512_bf16")  # of the processors that multiply bf16 faster than fp32


@dataclass(frozen=True)
class Compute:
    """A device and the precision of its matrix products (weights and sums stay float32)."""

    device: torch.device
    dtype: torch.dtype

    @property
    def dtype_name(self) -> str:
        """fp32 or bf16."""
        return next(name for name, dtype in DTYPES.items() if dtype == self.dtype)

    def __str__(self) -> str:
        return f"{self.device.type} {self.dtype_name}"

    def autocast(self) -> torch.autocast:
        """The context to run the model in."""
        enabled = self.dtype != torch.float32
        return torch.autocast(self.device.type, dtype=self.dtype if enabled else torch.bfloat16, enabled=enabled)


def choose_compute(device: str = "auto", dtype: str = "auto") -> Compute:
    """`auto`: cuda, else mps, else cpu; bf16 where the hardware has it, else fp32. UsageError for what is not there."""
    if device not in DEVICES:
        raise unknown_name("device", device, DEVICES)
    if dtype not in DTYPES:
        raise unknown_name("dtype", dtype, DTYPES)
    present = available_devices()
    if device != "auto" and device not in present:
        raise UsageError(
            f"device {device} is not available here. Allowed: {', '.join(present)}. Fix: device auto; see `vitruvian doctor`."
        )
    chosen = present[0] if device == "auto" else device
    wanted = DTYPES[dtype]
    if wanted is None:
        wanted = torch.bfloat16 if _fast_bf16(chosen) else torch.float32
    return Compute(torch.device(chosen), wanted)


def available_devices() -> list[str]:
    """Devices that PyTorch can use here, the fastest first; always ends with cpu."""
    cuda = ["cuda"] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def _fast_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device == "cpu" and cpu_has_bf16()


@cache
def cpu_has_bf16() -> bool:
    """True where Linux lists a bf16 instruction set for this processor."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return False
    flags = next((line.split() for line in info.read_text().splitlines() if line.startswith("flags")), [])
    return any(flag in flags for flag in CPU_FLAGS)


def processor() -> str:
    """The processor's name as the system tells it."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
