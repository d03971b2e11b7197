"""The verb `evaluate`: figures of a model on labelled photos and on synthetic people, written and printed."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitruvian.errors import InputError, UsageError
from vitruvian.evaluate.card import failures, fill, mark, measured, tables
from vitruvian.evaluate.figures import evaluate_photos
from vitruvian.evaluate.hold_out import judge, worst_subjects
from vitruvian.evaluate.own import OwnPhotos
from vitruvian.evaluate.photos import Adapter
from vitruvian.evaluate.report import group_page, headline, markdown, plain, provenance, write_text
from vitruvian.evaluate.sheet import write_sheet
from vitruvian.predict import load


@dataclass(frozen=True)
class Wanted:
    """What to measure, and where its files go. coco, images, groups: as in `OwnPhotos`; card: a model card to fill."""

    out: Path
    shared: Path | None = None
    synth: Path | None = None
    coco: Path | None = None
    images: Path | None = None
    groups: Path | None = None
    card: Path | None = None
    limit: int | None = None


def run(wanted: Wanted, model: str, device: str) -> int:
    """Measure what is wanted, always in fp32, print the tables. Returns the exit code: 1 where some photos could not be used.

    Raises UsageError or another VitruvianError for folders and models that cannot be used.
    """
    _check(wanted)
    loaded = load(model, device=device, dtype="fp32")
    predictor = Adapter(loaded)
    wanted.out.mkdir(parents=True, exist_ok=True)
    faults: list[str] = []
    if wanted.coco:
        faults = _own(wanted, wanted.coco, predictor)
    if wanted.shared:
        _photos(wanted, wanted.shared, predictor)
    if wanted.synth and (wanted.card or not wanted.shared):
        _hold_out(wanted, wanted.synth, predictor, dict(loaded.cards[0].provenance))
    for fault in faults:
        print(f"error: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _check(wanted: Wanted) -> None:
    if not (wanted.shared or wanted.synth or wanted.coco):
        raise UsageError("nothing to measure. Allowed: --coco FILE of your own labels, --synth DIR, --shared DIR, or several.")
    if wanted.limit is not None and wanted.limit < 1:
        raise UsageError(f"--limit {wanted.limit}: nobody is left. Allowed: 1 and more; all if left out.")
    if wanted.card and not wanted.synth:
        raise UsageError("--card has figures of held-out synthetic people. Fix: add --synth DIR.")
    if (wanted.images or wanted.groups) and not wanted.coco:
        raise UsageError("--images and --groups belong to labels of your own. Fix: add --coco FILE.")
    if wanted.card:
        _check_card(wanted.card, ("measured", "figures", "failures", *(("photos",) if wanted.shared else ())))


def _check_card(card: Path, parts: tuple[str, ...]) -> None:
    """Before minutes of measuring: is there a place for every part?"""
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    missing = [line for part in parts for line in mark(part) if line not in text]
    if missing:
        raise InputError(f"{card} has no place for the figures. Fix: add the line {missing[0]}")


def _photos(wanted: Wanted, shared: Path, predictor: Adapter) -> None:
    figures = evaluate_photos(shared, predictor, wanted.out, synth=wanted.synth, limit=wanted.limit)
    print(markdown(figures))
    if wanted.card:
        fill(wanted.card, "photos", headline(figures))


def _own(wanted: Wanted, coco: Path, predictor: Adapter) -> list[str]:
    own = OwnPhotos(coco, wanted.images or coco.parent, wanted.groups)
    figures = {"provenance": provenance(predictor), "groups": own.figures(predictor, wanted.limit)}
    _write(wanted.out, "people", figures, group_page(figures))
    return own.faults


def _hold_out(wanted: Wanted, synth: Path, predictor: Adapter, training: dict[str, Any]) -> None:
    judged = judge(synth, predictor, wanted.limit)
    hold_out = _set(synth, len(judged.people), wanted.limit)
    figures = {"provenance": provenance(predictor), "training": training, "hold_out": hold_out}
    figures |= judged.figures() | {"worst": judged.worst}
    page = ("# Held-out synthetic people", measured(figures), tables(figures))
    _write(wanted.out, "synthetic", figures, "\n\n".join(page) + "\n")
    sheet = wanted.out / "worst.jpg"
    write_sheet(worst_subjects(synth, judged.worst, predictor), sheet)
    if wanted.card:
        fill(wanted.card, "measured", measured(figures))
        fill(wanted.card, "figures", tables(figures))
        fill(wanted.card, "failures", failures(figures, sheet, wanted.card))


def _set(folder: Path, people: int, limit: int | None) -> dict[str, Any]:
    """Which set it was, and how much of it."""
    try:
        made = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        made = {}
    height, width = made.get("size", ("?", "?"))
    known = {"frames": made.get("count", "?"), "seed": made.get("seed", "?")}
    return {"folder": folder.as_posix(), "people": people, "limit": limit, "frame": f"{height}x{width}"} | known


def _write(out: Path, name: str, figures: dict[str, Any], page: str) -> None:
    write_text(out / f"{name}.json", json.dumps(plain(figures), indent=1) + "\n")
    write_text(out / f"{name}.md", page)
    print(page)
