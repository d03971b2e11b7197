"""Models, their files and their speed, and what is installed: `models`, `export`, `bench`, `doctor`."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro

from vitruvian.cli.options import (
    Device,
    Dtype,
    File,
    Flag,
    MaybeFile,
    MaybeName,
    MaybeWhole,
    ModelWord,
    Task,
    Whole,
)


def models() -> int:
    """Packaged models and official checkpoints: list (the default), show, fetch, convert."""
    raise NotImplementedError  # a group: see GROUPS


def models_list() -> int:
    """List the packaged models and the official checkpoints, with licence, status, and whether they are in the cache."""
    from vitruvian.weights.command import show_all

    return show_all()


def models_show(name: ModelWord) -> int:
    """Show what is known of a model: what its file says of itself, or what its tensors show.

    Args:
        name: Name (see `vitruvian models`), hub:OWNER/REPOSITORY/FILE, or path of weights in any supported layout.
    """
    from vitruvian.weights.command import show

    return show(name)


def models_fetch(
    name: ModelWord,
    repo: Annotated[str | None, tyro.conf.arg(metavar="OWNER/NAME")] = None,
    file: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None,
    revision: Annotated[str | None, tyro.conf.arg(metavar="REVISION")] = None,
) -> int:
    """Download an official checkpoint into the cache of huggingface_hub. The same command resumes a stopped download.

    Its licence is shown, and recorded beside the file. Afterwards its name is enough, without a network: --model NAME.

    Args:
        name: Name of an official checkpoint (see `vitruvian models`), hub:OWNER/REPOSITORY/FILE[@REVISION], or a whole person
            detector, hub:OWNER/NAME[@REVISION].
        repo: Repository at the hub, if it is not the one known for this name.
        file: File in that repository, if it is not the one known for this name.
        revision: Branch, tag or commit; the main branch if left out.
    """
    from vitruvian.weights.command import fetch

    return fetch(name, repo, file, revision)


def models_convert(
    source: ModelWord,
    out: File,
    name: MaybeName = None,
    dtype: Literal["fp32", "bf16"] = "fp32",
    heads: MaybeWhole = None,
    overwrite: Flag = False,
) -> int:
    """Write weights of any supported layout (.pth, _torchscript.pt2, safetensors) as one safetensors file of this package, and
    check it by reading it back bit for bit.

    Args:
        source: Name, hub:OWNER/REPOSITORY/FILE, or path of weights.
        out: The .safetensors file.
        name: The official checkpoint that it must be.
        dtype: fp32 is exact; bf16 is half the size and rounded once.
        heads: Number of attention heads, for a backbone of no official size: no tensor shows it.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.weights.command import convert

    return convert(source, out, name, dtype, heads, overwrite)


def export(
    model: ModelWord,
    to: Annotated[str, tyro.conf.arg(metavar="TARGET")],
    out: MaybeFile = None,
    dtype: Annotated[str, tyro.conf.arg(metavar="DTYPE")] = "fp32",
    overwrite: Flag = False,
) -> int:
    """Write a model as a file for another runtime, and beside it a report of how exactly it reproduces PyTorch
    (FILE.parity.json).

    Exit code: 0 done, 1 the file is not exact enough or cannot be written, 2 wrong usage.

    Args:
        model: Name (see `vitruvian models`) or path of weights.
        to: onnx (.onnx), openvino (.xml and .bin) or torch-export (.pt2).
        out: The file; if left out, MODEL with the ending of the target, in this folder.
        dtype: Precision inside: fp32, fp16, or bf16 (torch-export only). Input and outputs are float32 in any case.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.export.command import run

    return run(model, to, out, dtype, overwrite)


def bench(
    model: Annotated[ModelWord, tyro.conf.arg(metavar="[MODEL]")] = "vitruvian-s",
    engines: Annotated[tuple[Literal["eager", "compile", "openvino", "pruned"], ...], tyro.conf.arg(metavar="ENGINE...")] = (
        "eager",
    ),
    dtypes: Annotated[tuple[Dtype, ...], tyro.conf.arg(metavar="DTYPE...")] = ("auto",),
    device: Device = "auto",
    tasks: Annotated[tuple[Task, ...], tyro.conf.arg(metavar="TASK...")] = (),
    batch: Whole = 1,
    rounds: Whole = 5,
    photo: MaybeFile = None,
    out: MaybeFile = None,
) -> int:
    """How fast a model runs on this machine in each way, compared with eager fp32: times, memory, and how much the answers
    change.

    Args:
        model: Name or path of weights, or an official model with random weights, for which no file is needed, such as
            random:0.3b-pose308 (sizes 0.3b 0.6b 1b 2b; tasks pose17 pose133 pose308 seg28 depth normal).
        engines: Ways to run it: eager, compile, openvino, pruned.
        dtypes: Precisions to run each way in: auto, fp32, bf16.
        device: Where to run; auto takes the fastest available.
        tasks: Any of pose, seg, depth, normal; all tasks of the model if left out.
        batch: Number of people that go through together.
        rounds: Number of measured rounds, in which the ways take turns; one more before them is not counted.
        photo: Photo to use, taken as one person that fills it; generated noise if left out.
        out: Also write all figures to this JSON file.
    """
    from vitruvian.bench.command import bench as measure

    return measure(model, engines, dtypes, device, tasks or None, batch, rounds, photo, out)


def doctor() -> int:
    """Show versions, devices, extras and packaged weights, and how to mend what is missing. Exit code 1 if something is."""
    from vitruvian.doctor import doctor as examine

    return examine()
