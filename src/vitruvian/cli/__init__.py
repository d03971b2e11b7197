"""Words -> calls, nothing else. What a verb needs is imported when it runs, so that --help answers at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import tyro

from vitruvian import __version__
from vitruvian.cli import curate, evaluate, models, predict, results, train
from vitruvian.errors import UsageError, VitruvianError

VERBS: dict[str, Callable[..., Any]] = {
    "predict": predict.predict, "keypoints": results.keypoints, "maps": results.maps, "depth": results.depth,
    "features": predict.features, "synth": train.synth, "data": train.data, "curate": curate.curate, "pretrain": train.pretrain,
    "finetune": train.finetune, "reconstruct": train.reconstruct, "evaluate": evaluate.evaluate, "export": models.export,
    "models": models.models, "bench": models.bench, "doctor": models.doctor,
}  # fmt: skip
GROUPS: dict[str, dict[str, Callable[..., Any]]] = {  # verbs of two words
    "evaluate": {
        "model": evaluate.evaluate,
        "protocol": evaluate.evaluate_protocol,
        "keypoints": evaluate.evaluate_keypoints,
        "people": evaluate.evaluate_people,
        "parts": evaluate.evaluate_parts,
        "depth": evaluate.evaluate_depth,
        "normal": evaluate.evaluate_normal,
    },
    "data": {"list": train.data_list, "check": train.data_check},
    "curate": {"run": curate.curate, "tune": curate.curate_tune, "label": curate.curate_label},
    "keypoints": {"list": results.keypoints_list, "convert": results.keypoints_convert, "angles": results.keypoints_angles},
    "maps": {"convert": results.maps_convert},
    "depth": {"align": results.depth_align, "cloud": results.depth_cloud},
    "models": {
        "list": models.models_list,
        "show": models.models_show,
        "fetch": models.models_fetch,
        "convert": models.models_convert,
    },
}


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
    given = _judging(given)
    verbs, prog, words = VERBS, "vitruvian", given
    description = "Human-centric vision. `vitruvian predict photo.jpg` is the first thing to try."
    if given and given[0] in GROUPS and not _stands_alone(given):
        verbs, prog, words = GROUPS[given[0]], f"vitruvian {given[0]}", given[1:]
        description = (VERBS[given[0]].__doc__ or "").partition("\n\n")[0]
    try:
        code = tyro.extras.subcommand_cli_from_dict(verbs, prog=prog, description=description, args=words or ["--help"])
    except SystemExit as stop:  # tyro has already said why
        return stop.code if isinstance(stop.code, int) else 2
    return int(code)


def _judging(given: list[str]) -> list[str]:
    """`evaluate --task ... --data ...` is `evaluate protocol ...`."""
    options = {word.partition("=")[0] for word in given[1:]}
    alone = given[:1] == ["evaluate"] and _stands_alone(given) and options & {"--task", "--data"}
    return ["evaluate", "protocol", *given[1:]] if alone else given


def _stands_alone(given: list[str]) -> bool:
    """`models` by itself lists; `evaluate` with options is `evaluate model`; `curate` with whatever else is `curate run`."""
    if given[0] == "curate":
        return bool(given[1:]) and given[1] not in (*GROUPS["curate"], "-h", "--help")
    options = len(given) > 1 and given[1].startswith("-") and given[1] not in ("-h", "--help")
    return given == ["models"] or (given[0] == "evaluate" and options)


def _tell(line: str, code: int) -> int:
    print(" ".join(line.split()), file=sys.stderr)
    return code
