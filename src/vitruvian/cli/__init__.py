"""Words -> calls, nothing else. What a verb needs is imported when it runs, so that --help answers at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import tyro

from vitruvian import __version__
from vitruvian.cli import curate, evaluate, models, predict, results, serve, train
from vitruvian.cli.shown import HELP, Verb, description, overview, shown
from vitruvian.errors import UsageError, VitruvianError, unknown_name

ABOUT = "Human-centric vision. `vitruvian predict photo.jpg` is the first thing to try."
VERBS: dict[str, Verb] = {
    "predict": predict.predict, "keypoints": results.keypoints, "maps": results.maps, "depth": results.depth,
    "features": predict.features, "synth": train.synth, "data": train.data, "curate": curate.curate, "pretrain": train.pretrain,
    "finetune": train.finetune, "reconstruct": train.reconstruct, "evaluate": evaluate.evaluate, "export": models.export,
    "serve": serve.serve, "models": models.models, "bench": models.bench, "doctor": models.doctor,
}  # fmt: skip
GROUPS: dict[str, dict[str, Verb]] = {  # verbs of two words
    "evaluate": {
        "model": evaluate.evaluate_model,
        "protocol": evaluate.evaluate_protocol,
        "keypoints": evaluate.evaluate_keypoints,
        "people": evaluate.evaluate_people,
        "parts": evaluate.evaluate_parts,
        "depth": evaluate.evaluate_depth,
        "normal": evaluate.evaluate_normal,
    },
    "data": {"list": train.data_list, "check": train.data_check},
    "curate": {"run": curate.curate_run, "tune": curate.curate_tune, "label": curate.curate_label},
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
    """The command line. Exit code: 0 done, 1 what the words point to could not be used, 2 the words are wrong."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--version"], ["-V"]):
        print(f"vitruvian {__version__}")
        return 0
    try:
        return _run(_in_full(given))
    except UsageError as error:
        return _tell(f"error: {error}", 2)
    except VitruvianError as error:
        return _tell(f"error: {error}", 1)
    except BrokenPipeError:  # who read our output has gone, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except KeyboardInterrupt:
        return _tell("interrupted: finished results are kept; the same command goes on from there.", 1)


def _run(words: list[str]) -> int:
    if words and words[0] in GROUPS:
        return _choose(GROUPS[words[0]], f"vitruvian {words[0]}", description(VERBS[words[0]]), words[1:])
    return _choose(VERBS, "vitruvian", ABOUT, words or ["--help"])


def _choose(verbs: Mapping[str, Verb], prog: str, told: str, words: list[str]) -> int:
    """The verb that the first word names, called with the others; the list of verbs where help is asked for or needed."""
    if not words or words[0] in HELP:
        hint = " `vitruvian --version` shows the version." if verbs is VERBS else ""
        print(overview(verbs, prog, told, hint), file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] not in verbs:
        raise unknown_name("verb", words[0], verbs)
    prog = f"{prog} {words[0]}"
    rest = words[1:]
    for word in rest:
        if word.startswith("--no-") and (other := f"--{word[5:]}") in rest:
            raise UsageError(f"{other} and {word} contradict each other. Fix: leave one of them out.")
    return _call(verbs[words[0]], prog, rest)


def _call(verb: Verb, prog: str, words: list[str]) -> int:
    told, config = description(verb), (tyro.conf.DisallowNone,)
    try:
        return int(tyro.cli(shown(verb), prog=prog, description=told, args=words, config=config))
    except SystemExit as stop:  # tyro has already said why
        return stop.code if isinstance(stop.code, int) else 2


def _in_full(given: list[str]) -> list[str]:
    """Words left out of a verb of two: `models` lists, `curate SOURCE` runs, `evaluate --task` is of the protocol."""
    if given == ["models"]:
        return ["models", "list"]
    first, second = given[:1], given[1] if len(given) > 1 else ""
    if first == ["curate"] and second and second not in (*GROUPS["curate"], *HELP):
        return ["curate", "run", *given[1:]]
    if first == ["evaluate"] and second.startswith("-") and second not in HELP:
        options = {word.partition("=")[0] for word in given[1:]}
        return ["evaluate", "protocol" if options & {"--task", "--data"} else "model", *given[1:]]
    return given


def _tell(line: str, code: int) -> int:
    print(" ".join(line.split()), file=sys.stderr)
    return code
