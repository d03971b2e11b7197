"""The verb `evaluate`: figures of a model on labelled photos, written and printed."""

from __future__ import annotations

from pathlib import Path

from vitruvian.evaluate.figures import evaluate_photos
from vitruvian.evaluate.photos import Adapter
from vitruvian.evaluate.report import markdown
from vitruvian.predict import load


def run(shared: Path, out: Path, model: str, synth: Path | None, limit: int | None, device: str) -> int:
    """Write photos.json, photos.md and the sheet of overlays to `out`, print the tables; always in fp32. Returns the exit code.

    Raises UsageError or another VitruvianError for folders and models that cannot be used.
    """
    predictor = Adapter(load(model, device=device, dtype="fp32"))
    figures = evaluate_photos(shared, predictor, out, synth=synth, limit=limit)
    print(markdown(figures))
    return 0
