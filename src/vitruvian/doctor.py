"""Is this installation whole? Versions, devices, extras, packaged weights, and the command that mends what is missing."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from vitruvian import __version__
from vitruvian.errors import VitruvianError  # what needs the core is imported where it is used
from vitruvian.installed import reinstall

CORE: Mapping[str, str] = {  # distribution -> its module
    "torch": "torch", "numpy": "numpy", "opencv-python-headless": "cv2", "pillow": "PIL", "safetensors": "safetensors",
    "huggingface_hub": "huggingface_hub", "tyro": "tyro", "rich": "rich",
}  # fmt: skip
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "detect": ("transformers",), "synth": ("moderngl",), "video": ("av", "scipy"), "evaluate": ("pycocotools",),
    "bake": ("anny",), "export": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("onnx", "onnxscript", "onnxruntime", "openvino"),
    "train": ("tensorboard",), "serve": ("starlette", "uvicorn"),
    "curate": ("pyarrow",), "ray": ("pyarrow", "ray", "pandas"),
}  # fmt: skip
PURPOSE = {
    "detect": "detectors of people from the hub",
    "synth": "faster rendering of synthetic people",
    "video": "videos, image sequences and cameras",
    "evaluate": "COCO average precision",
    "bake": "making the body anew",
    "export": "models as ONNX files",
    "openvino": "models as OpenVINO files, and another way to run them on a CPU",
    "train": "figures of a training in TensorBoard",
    "serve": "photos answered over HTTP",
    "curate": "the ledger of curated images",
    "ray": "curation on a cluster",
}


def doctor() -> int:
    """Print the examination. Returns 0, or 1 if something of the core or the packaged weights is missing."""
    print(f"vitruvian {__version__}, Python {platform.python_version()} ({sys.executable}), {platform.platform()}")
    faults = _core() or _unusable()
    _extras()
    if faults:
        print("devices, weights: not examined before the core is whole")
    else:
        _devices()
        faults = _packaged()
    for fault in faults:
        print(f"missing: {fault}")
    print("all is well" if not faults else f"{len(faults)} {'thing' if len(faults) == 1 else 'things'} to mend")
    return 1 if faults else 0


def _core() -> list[str]:
    """What of the core is not installed; nothing is imported to find out."""
    faults = []
    found = []
    for name, module in CORE.items():
        try:
            number = version(name)
        except PackageNotFoundError:
            faults.append(f"{name}. Fix: pip install {name}")
            continue
        if find_spec(module) is None:
            faults.append(f"{name}: listed as {number}, but its files are gone. Fix: pip install --force-reinstall {name}")
        else:
            found.append(f"{name} {number}")
    print("core: " + ", ".join(found))
    return faults


def _unusable() -> list[str]:
    """What of the core is installed and cannot be imported, such as a library built for another system."""
    faults = []
    for name, module in CORE.items():
        try:
            import_module(module)
        except (ImportError, OSError) as error:
            reason = " ".join(str(error).split())
            faults.append(f"a working {name} ({reason}). Fix: pip install --force-reinstall {name}")
    return faults


def _devices() -> None:
    from vitruvian.device import available_devices, choose_compute, cpu_has_bf16

    bf16 = "bf16 in hardware" if cpu_has_bf16() else "no bf16 in hardware"
    print(f"devices: {', '.join(available_devices())}; {os.cpu_count()} processors, {bf16}; auto is {choose_compute()}")
    if available_devices() == ["cpu"]:
        print("  no GPU: fine for the packaged models. With one: install PyTorch as https://pytorch.org/get-started says")


def _extras() -> None:
    for extra, modules in EXTRAS.items():
        absent = [module for module in modules if find_spec(module) is None]
        state = (
            f'not installed ({PURPOSE[extra]}): pip install "vitruvian[{extra}]"' if absent else f"installed ({PURPOSE[extra]})"
        )
        print(f"extra {extra}: {state}")


def _packaged() -> list[str]:
    from vitruvian import weights
    from vitruvian.predict.detect import default_detector

    faults = []
    for name in {**weights.MODELS, **weights.DETECTOR_MODELS}:
        path = weights.packaged_path(name)
        if path is None:
            faults.append(f"packaged weights {name}. Fix: {reinstall()}")
            continue
        try:
            weights.load(name)
        except VitruvianError as error:
            faults.append(f"usable packaged weights {name}: {error} Fix: {reinstall()}")
        else:
            print(f"weights {name}: {_size(path)}, sha256 {weights.file_hash(path)}")
    print(f"detector: {default_detector()}")
    return faults


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"
