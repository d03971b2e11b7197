"""The library OpenVINO as we use it: without its usage reporting, and never unloaded."""

from __future__ import annotations

import sys
from functools import cache
from typing import Any


def library() -> Any:
    """The module, without its usage reporting, which sends an event over the network at every import."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # to Python: not installed
    import openvino

    return openvino


@cache
def core() -> Any:
    """One `Core` for the life of the process.

    Loading its CPU plugin gives the thread a stack for signals of the plugin's own; unloading frees that stack. Where the last
    model is freed in another thread, the first one keeps a stack that is no more, and dies at its next signal.
    """
    return library().Core()
