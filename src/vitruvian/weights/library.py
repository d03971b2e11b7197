"""The library transformers: imported where it is needed, without its bars and advice, and every error of its one line.

Nothing is fetched by it, and no code that comes with a model is run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from vitruvian.errors import UsageError, VitruvianError, WeightsError
from vitruvian.weights.folder import CONFIG, NEEDED, PROCESSOR, TENSORS

INSTALL = 'Fix: pip install "vitruvian[detect]"'
SAFE = {"local_files_only": True, "trust_remote_code": False}


def library(what: str) -> Any:
    """The library itself. what: who needs it, for the UsageError where it is not installed."""
    try:
        import transformers
    except ImportError as error:
        state = f"cannot be imported ({line(error)})" if find_spec("transformers") else "is not installed"
        raise UsageError(f"{what} needs transformers, which {state}. {INSTALL}") from error
    return transformers


@contextmanager
def quiet(library: Any) -> Iterator[Any]:
    """The library without its bars and its advice; as it was afterwards."""
    talk = library.utils.logging
    level, bars = talk.get_verbosity(), talk.is_progress_bar_enabled()
    talk.set_verbosity(logging.CRITICAL)
    talk.disable_progress_bar()
    try:
        yield library
    finally:
        talk.set_verbosity(level)
        if bars:
            talk.enable_progress_bar()


@contextmanager
def told(name: str, kind: str, other: str) -> Iterator[None]:
    """Whatever the library raises over files that are not as they should be becomes one line. kind: what `name` should be
    readable as; other: what to use instead where another library is missing."""
    try:
        yield
    except VitruvianError:
        raise
    except ImportError as error:
        reason = f"{name} needs a library that is not part of vitruvian[detect] ({line(error)})"
        raise WeightsError(f"{reason}. Fix: {other}.") from error
    except Exception as error:
        raise WeightsError(
            f"{name} cannot be read as a {kind} ({type(error).__name__}: {line(error)})."
            f" Allowed: {CONFIG}, {PROCESSOR} and {TENSORS} of transformers. Fix: get them anew."
        ) from error


def config_of(library: Any, folder: Path, name: str) -> Any:
    """What kind of model lies in a folder. WeightsError where one of the files is absent."""
    for file in NEEDED:
        if not (folder / file).is_file():
            raise WeightsError(f"{name}: {folder / file} is absent. Allowed: folders with {', '.join(NEEDED)}.")
    return library.AutoConfig.from_pretrained(folder, **SAFE)


def model_of(kind: Any, folder: Path, name: str, config: Any) -> Any:
    """The model in float32, every one of its tensors out of the file. kind: such as `AutoModelForObjectDetection`."""
    model, said = kind.from_pretrained(
        folder, config=config, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **SAFE
    )
    wrong = {"missing": sorted(said["missing_keys"]), "of another shape": sorted(map(str, said["mismatched_keys"]))}
    words = [f"{len(keys)} {what}, such as {keys[0]}" for what, keys in wrong.items() if keys]
    if words:
        raise WeightsError(f"{name}: {TENSORS} does not fit {CONFIG}: {'; '.join(words)}. Fix: get both from one place.")
    return model


def line(error: Exception) -> str:
    """What an error says, on one line."""
    return " ".join(str(error).split()).rstrip(".")[:240]
