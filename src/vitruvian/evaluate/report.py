"""Figures -> one JSON for machines and one Markdown page for people, with all that is needed to repeat them."""

from __future__ import annotations

import datetime
import json
import math
import os
import platform
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from vitruvian import __version__
from vitruvian.device import processor
from vitruvian.evaluate.groups import DRAWS, LEAST_PHOTOS
from vitruvian.evaluate.photos import Predictor

SYNTHETIC = (
    "pose/pck", "pose/nme", "pose/pck/body", "pose/pck/foot", "pose/pck/face", "pose/pck/left_hand", "pose/pck/right_hand",
    "seg/miou", "seg/foreground_iou", "depth/rmse", "depth/order", "normal/mean", "normal/within_11.25", "normal/within_22.5",
    "normal/within_30",
)  # fmt: skip

# figure -> words, and whether it is a fraction (else it stays in its unit)
SHOWN: dict[str, tuple[str, bool]] = {
    "pose/pck/body": ("body points within 0.1 of the box, %", True),
    "seg/foreground_iou": ("person IoU, %", True),
    "seg/miou": ("parts mIoU, %", True),
    "depth/order": ("depth order, %", True),
    "normal/mean": ("normals, °", False),
}
INTERVAL = f"""Mean over people with, in brackets, the 95 % interval of {DRAWS} bootstrap draws of photos (none for fewer
than {LEAST_PHOTOS} photos). n: people in the group; a figure counts those of them who have its labels."""


def provenance(predictor: Predictor, command: str = "") -> dict[str, Any]:
    """Who was measured, when, with what. command: as it was typed, if left out; the program by its name, not its place."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.name
    return {
        "command": command or shlex.join([name, *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "model": predictor.name,
        "weights": predictor.weights,
        "flip_test": predictor.flip_test,
        "hardware": f"{processor()}, {os.cpu_count()} cores",
        "software": f"vitruvian {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
    }


def flipped(made: Mapping[str, Any]) -> str:
    """In words, whether the mirrored photo was asked too."""
    return "flip test" if made["flip_test"] else "no flip test"


def write_report(figures: Mapping[str, Any], out: Path) -> None:
    """photos.json and photos.md in `out`; NaN becomes null."""
    write_text(out / "photos.json", json.dumps(plain(figures), indent=1) + "\n")
    write_text(out / "photos.md", markdown(figures))


def plain(value: Any) -> Any:
    """The same without NaN, which JSON does not know."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_text(path: Path, text: str) -> None:
    """Whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; fractions are shown as per cent with one digit unless they are text already."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(_cell(v) for v in row) + " |" for row in rows])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if not math.isfinite(value) else f"{100 * value:.1f}"
    return "–" if value is None else str(value)


def markdown(figures: Mapping[str, Any]) -> str:
    """The page. Figures in per cent where no unit is given."""
    parts = _head("on photos with given boxes", figures["provenance"])
    for key, section in SECTIONS.items():
        if key in figures:
            parts += section(figures[key])
    return "\n\n".join(parts) + "\n"


def _head(said: str, made: Mapping[str, Any]) -> list[str]:
    """Of a page: who was measured, when, with what."""
    measured = f"{made['date']}; weights {made['weights'][:12]}; {flipped(made)}; {made['hardware']}; {made['software']}"
    return [f"# {made['model']} {said}", f"`{made['command']}`", measured]


def headline(figures: Mapping[str, Any]) -> str:
    """The rows of a model card on real photos: what, people, the model's figure, and the figure of looking at no pixel."""
    made = figures["provenance"]
    rows = [*_headline_points(figures.get("keypoints", {}))]
    rows += [(f"person IoU: {n}", r["people"], r["iou"], r["box_iou"]) for n, r in figures.get("foreground", {}).items()]
    if row := figures.get("parts_cihp"):
        rows.append(("parts mIoU on CIHP, merged classes", row["people"], row["miou"], None))
    if row := figures.get("depth_order"):
        rows.append(("depth order on an RGB-D photo", row["people"], row["order"], row["order_by_row"]))
    said = "Without pixels: a mean pose, the whole box, the height in the picture."
    shown = table(("figure, %", "people", "model", "without pixels"), rows)
    return f"Weights {made['weights'][:12]}, {made['date']}, `{made['command']}`. {said}\n\n{shown}"


def _headline_points(choices: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    words = {"qualifying": "side at least 150 px, at least 12 labelled points", "all": "all labelled people"}
    for choice, said in words.items():
        if row := choices.get(choice, {}).get("together"):
            yield f"body points within 0.1 of the box: {said}", row["people"], row["pck"], row["pck"] - row["gain"]


def group_page(figures: Mapping[str, Any]) -> str:
    """The page of figures by group."""
    tables = [group_table(name, groups) for name, groups in figures["groups"].items()]
    return "\n\n".join([*_head("by group", figures["provenance"]), f"Boxes given. {INTERVAL}", *tables]) + "\n"


def group_table(title: str, groups: Mapping[str, Any], signed: bool = False) -> str:
    """A Markdown table: a row a group, "mean (low to high)" a cell; figures that nobody has are left out."""
    shown = [n for n in SHOWN if any(math.isfinite(row[n]["mean"]) for row in groups.values() if n in row)]
    rows = [
        (name.replace("|", "\\|"), row["people"], *(_estimate(row.get(n), SHOWN[n][1], signed) for n in shown))
        for name, row in groups.items()
    ]
    return table((title.replace("|", "\\|"), "n", *(SHOWN[n][0] for n in shown)), rows)


def _estimate(given: Mapping[str, float] | None, fraction: bool, signed: bool) -> str:
    if given is None or not math.isfinite(given["mean"]):
        return "–"
    mean, low, high = (round(given[n] * (100 if fraction else 1), 1) + 0.0 for n in ("mean", "low", "high"))  # never -0.0
    sign = "+" if signed else ""
    if not math.isfinite(low):
        return f"{mean:{sign}.1f}"
    return f"{mean:{sign}.1f} ({low:{sign}.1f} to {high:{sign}.1f})"


KEYPOINTS = """PCK: labelled points within 0.1 of the box's longer side. Qualifying: that side at least 150 px and at least 12
labelled points. Baselines put a mean pose into the box: that of the synthetic set, and that of the people on all other photos
(leave one photo out); the gain is over the stronger. AP and AR: COCO's, where the labels have areas."""


def _keypoints(rows: Mapping[str, Any]) -> list[str]:
    head = ("people", "set", "n", "points", "PCK", "other photos", "synthetic", "gain", "AP", "AR", "baseline's AP")
    body = []
    for choice, groups in rows.items():
        for group, row in groups.items():
            given = row["baselines"]
            stronger = max(given.values(), key=lambda b: b["pck"])
            means = [given.get(name, {}).get("pck") for name in ("mean_other_photos", "mean_synthetic")]
            ap, base = row["ap"] or {}, stronger["ap"] or {}
            precision = (ap.get("AP"), ap.get("AR"), base.get("AP"))
            body.append((choice, group, row["people"], row["points"], row["pck"], *means, row["gain"], *precision))
    parts = ["## Key points", KEYPOINTS, table(head, body)]
    each = rows["qualifying"].get("together")
    if each:
        names = each["per_point"]
        bases = [b["per_point"] for b in each["baselines"].values()]
        cells = [(name, names[name], *(b[name] for b in bases)) for name in names]
        parts.append(table(("point (qualifying, together)", "PCK", *each["baselines"]), cells))
    return parts


def _foreground(rows: Mapping[str, Any]) -> list[str]:
    text = "Mean over people of IoU between predicted parts and all true person masks, in the padded crop."
    body = [(name, row["people"], row["iou"], row["box_iou"]) for name, row in rows.items()]
    return ["## Person against background", text, table(("people", "n", "IoU", "IoU of calling the box a person"), body)]


def _parts(row: Mapping[str, Any]) -> list[str]:
    body = [(name, value) for name, value in row.items() if name != "people"]
    return [
        "## Parts on CIHP, merged classes",
        f"Pixels within the boxes of {row['people']} people on 3 photos; things worn are not counted.",
        table(("class", "IoU"), body),
    ]


def _order(row: Mapping[str, Any]) -> list[str]:
    text = f"Pixel pairs of one person more than 3 cm apart on the RGB-D photo, {row['people']} people; chance is 50."
    return ["## Depth order", text, table(("model", "by height in the picture"), [(row["order"], row["order_by_row"])])]


def _synthetic(groups: Mapping[str, Any]) -> list[str]:
    shown = [name for name in SYNTHETIC if name in groups.get("all", {})]
    body = [(g, row["people"], *(_unit(name, row.get(name, float("nan"))) for name in shown)) for g, row in groups.items()]
    text = "By framing. depth/rmse in metres after alignment, normal/mean in degrees."
    return ["## Held-out synthetic people", text, table(("framing", "n", *shown), body)]


def _unit(name: str, value: float) -> Any:
    return f"{value:.3f}" if name in ("depth/rmse", "pose/nme") else f"{value:.1f}" if name == "normal/mean" else value


def _wholebody(row: Mapping[str, Any]) -> list[str]:
    if not row:
        return []
    body = [(name, value if name.startswith("pck") else f"{value:.3f}") for name, value in row.items() if name != "people"]
    return ["## 133 points", f"{row['people']} people with COCO-WholeBody labels.", table(("figure", "value"), body)]


SECTIONS = {
    "keypoints": _keypoints,
    "wholebody": _wholebody,
    "foreground": _foreground,
    "parts_cihp": _parts,
    "depth_order": _order,
    "synthetic": _synthetic,
}
