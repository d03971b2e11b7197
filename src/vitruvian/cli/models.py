"""Models, their files and their speed, and what is installed: `models`, `export`, `bench`, `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from vitruvian.cli.options import Flag, Word


def models() -> int:
    """Packaged models and official checkpoints: list (or nothing), show, fetch, convert."""
    from vitruvian.weights.command import show_all

    return show_all()


def models_list() -> int:
    """List the packaged models and the official checkpoints, with licence, status, and whether they are in the cache."""
    return models()


def models_show(name: Word) -> int:
    """Show what a model is: what its file says of itself, or what its tensors show.

    Args:
        name: Name (see `vitruvian models`), hub:OWNER/REPOSITORY/FILE, or path of weights in whichever layout.
    """
    from vitruvian.weights.command import show

    return show(name)


def models_fetch(
    name: Word,
    repo: str | None = None,
    file: str | None = None,
    revision: str | None = None,
) -> int:
    """Download an official checkpoint into the cache of huggingface_hub. The same command goes on after a stop.

    Its licence is shown, and recorded beside the file. Afterwards its name is enough: --model NAME, offline.

    Args:
        name: Name of an official checkpoint (see `vitruvian models`), hub:OWNER/REPOSITORY/FILE[@REVISION], or a detector of
            people as a whole, hub:OWNER/NAME[@REVISION].
        repo: Repository at the hub, OWNER/NAME, instead of the one it is known to be in.
        file: File in that repository, instead of the one it is known as.
        revision: Branch, tag or commit; the main branch if left out.
    """
    from vitruvian.weights.command import fetch

    return fetch(name, repo, file, revision)


def models_convert(
    source: Word,
    out: Path,
    name: str | None = None,
    dtype: Literal["fp32", "bf16"] = "fp32",
    heads: int | None = None,
    overwrite: Flag = False,
) -> int:
    """Write weights of whichever layout (.pth, _torchscript.pt2, safetensors) as one file of ours; read it back bit for bit.

    Args:
        source: Name, hub:OWNER/REPOSITORY/FILE, or path of weights.
        out: The .safetensors file.
        name: Name of the official checkpoint that it must be.
        dtype: fp32 is exact; bf16 is half the size and rounded once.
        heads: Attention heads of a backbone of no official size, which no tensor shows.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.weights.command import convert

    return convert(source, out, name, dtype, heads, overwrite)


def export(
    model: Word,
    to: str,
    out: Path | None = None,
    dtype: str = "fp32",
    overwrite: Flag = False,
) -> int:
    """Write a model as a file for another runtime, and how exactly it repeats PyTorch beside it (FILE.parity.json).

    Exit code: 0 done, 1 the file is not exact enough or cannot be written, 2 wrong usage.

    Args:
        model: Name (see `vitruvian models`) or path of weights.
        to: onnx (.onnx), openvino (.xml and .bin) or torch-export (.pt2).
        out: The file; MODEL and the ending of the target, here, if left out.
        dtype: Precision inside: fp32, fp16, or bf16 (torch-export only). Input and outputs are float32 in any case.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.export.command import run

    return run(model, to, out, dtype, overwrite)


def bench(
    model: Word = "vitruvian-s",
    engines: tuple[Literal["eager", "compile", "openvino", "pruned"], ...] = ("eager",),
    dtypes: tuple[Literal["auto", "fp32", "bf16"], ...] = ("auto",),
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    tasks: tuple[Literal["pose", "seg", "depth", "normal"], ...] = (),
    batch: int = 1,
    rounds: int = 5,
    photo: Path | None = None,
    out: Path | None = None,
) -> int:
    """How fast a model runs here by each way, beside eager fp32: times, memory, and how far the answers move.

    Args:
        model: Name or path of weights, or random:0.3b-pose308 and the like: an official model with random weights, for which
            no file is needed (sizes 0.3b 0.6b 1b 2b; pose17 pose133 pose308 seg28 depth normal).
        engines: Ways to run it.
        dtypes: Precisions of each.
        device: Where to run; auto takes the fastest there is.
        tasks: Of those that the model has; all if left out.
        batch: People that go through together.
        rounds: The ways take turns so often, after one more round that is not counted.
        photo: Taken for one person that fills it; made-up noise if left out.
        out: Also write all figures to this JSON file.
    """
    from vitruvian.bench.command import bench as measure

    return measure(model, engines, dtypes, device, tasks or None, batch, rounds, photo, out)


def doctor() -> int:
    """Show versions, devices, extras and packaged weights, and how to mend what is missing. Exit code 1 if something is."""
    from vitruvian.doctor import doctor as examine

    return examine()
