"""Words -> calls, nothing else. What a verb needs is imported when it runs, so that --help answers at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from vitruvian import __version__
from vitruvian.errors import UsageError, VitruvianError

Sources = Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE...")]


def predict(
    sources: Sources,
    tasks: tuple[str, ...] = (),
    model: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    out: Path = Path("vitruvian-output"),
    boxes: Path | None = None,
    detector: str = "auto",
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    dtype: Literal["auto", "fp32", "bf16"] = "auto",
    flip_test: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    fit: Literal["auto", "affine", "pad", "stretch", "lite"] = "auto",
    engine: Literal["eager", "compile"] = "eager",
    draw: bool = True,
    json: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
    coco: Path | None = None,
) -> int:
    """Photos -> pose, body parts, depth and normals of the people in them.

    Done photos are skipped on a second run. Exit code: 0 all done, 1 some input failed, 2 wrong usage.

    Args:
        sources: Photos, folders (searched recursively) or glob patterns.
        tasks: Any of pose, seg, depth, normal; all that the model has if none is named.
        model: Name (see `vitruvian models`) or path of weights; vitruvian-s if left out. Repeat it for several models that
            answer different tasks.
        out: Folder of the results; they mirror the paths below each source.
        boxes: Person boxes instead of the detector: CSV (image,x1,y1,x2,y2[,score]), results of predict, or COCO JSON.
        detector: auto, person, hog or whole-image (the whole photo is one person).
        device: Where to run; auto takes the fastest there is.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        flip_test: Mean of the photo's and its mirror image's answer: a little more exact, twice the time.
        fit: How parts, depth and normal models see a photo: as trained (auto), a crop for each person (affine), the whole
            frame (pad, stretch); lite is the official lite release's way for all models.
        engine: compile is faster after half a minute of preparation.
        draw: Make the overlay picture.
        json: One JSON line a photo on stdout, everything else on stderr.
        overwrite: Do done photos again.
        coco: Also write all people to this COCO file.
    """
    from vitruvian.predict.command import run  # torch is imported here

    return run(
        sources,
        tasks=tasks,
        model=model,
        out=out,
        boxes=boxes,
        detector=detector,
        device=device,
        dtype=dtype,
        flip_test=flip_test,
        fit=fit,
        engine=engine,
        draw=draw,
        as_json=json,
        overwrite=overwrite,
        coco=coco,
    )


def synth(
    out: Path,
    count: int,
    size: str = "256x192",
    seed: int = 0,
    workers: int = 1,
    backgrounds: Path | None = None,
    preview: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
) -> int:
    """Make a data set of synthetic people with exact labels. The same command resumes after a stop.

    Args:
        out: Folder of the data set.
        count: Number of samples.
        size: Height x width in pixels.
        seed: Sample i is a function of the seed and i alone.
        workers: Processes, at least 1.
        backgrounds: Folder of photos to stand behind the people.
        preview: Also write a contact sheet.
    """
    from vitruvian.synth.dataset.generate import run

    return run(out, count, size, seed, workers, backgrounds, preview=preview)


def evaluate(
    shared: Path,
    out: Path,
    model: str = "vitruvian-s",
    synth: Path | None = None,
    limit: int | None = None,
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
) -> int:
    """Figures of a model on labelled photos with given boxes, and on held-out synthetic people.

    Args:
        shared: Folder that holds INDEX.json and the labelled photos.
        out: Folder of photos.json, photos.md, sheet.jpg and sheet.txt.
        model: Name of a packaged model or path of a .safetensors file.
        synth: Held-out data set of `vitruvian synth`: its figures and its mean pose.
        limit: Frames of it to use; all if left out.
        device: Where to run.
    """
    from vitruvian.evaluate.command import run

    return run(shared, out, model, synth, limit, device)


def export(
    model: Annotated[str, tyro.conf.Positional],
    to: str,
    out: Path | None = None,
    dtype: str = "fp32",
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False,
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


def models(name: Annotated[str, tyro.conf.Positional] = "") -> int:
    """List the packaged models, or show one.

    Args:
        name: A packaged model's name or the path of a .safetensors file; all packaged models if left out.
    """
    from vitruvian.doctor import show_model, show_models

    return show_model(name) if name else show_models()


def doctor() -> int:
    """Show versions, devices, extras and packaged weights, and how to mend what is missing. Exit code 1 if something is."""
    from vitruvian.doctor import doctor as examine

    return examine()


VERBS: dict[str, Callable[..., Any]] = {
    "predict": predict, "synth": synth, "evaluate": evaluate, "export": export, "models": models, "doctor": doctor,
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Exit code: 0 done, 1 an input or a file could not be used, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--version"], ["-V"]):
        print(f"vitruvian {__version__}")
        return 0
    try:
        return _run(given)
    except UsageError as error:
        return _tell(f"error: {error}", 2)
    except VitruvianError as error:
        return _tell(f"error: {error}", 1)
    except BrokenPipeError:  # who read our output has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return _tell("interrupted: finished results are kept; the same command goes on from there.", 1)


def _run(given: list[str]) -> int:
    try:
        code = tyro.extras.subcommand_cli_from_dict(
            VERBS,
            prog="vitruvian",
            description="Human-centric vision. `vitruvian predict photo.jpg` is the first thing to try.",
            args=given or ["--help"],
        )
    except SystemExit as stop:  # tyro has already said why
        return stop.code if isinstance(stop.code, int) else 2
    return int(code)


def _tell(line: str, code: int) -> int:
    print(" ".join(line.split()), file=sys.stderr)
    return code
