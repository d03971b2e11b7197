"""`python -m vitruvian.evaluate`: see the package's own words."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from vitruvian import evaluate
from vitruvian.errors import UsageError, VitruvianError
from vitruvian.evaluate.figures import evaluate_photos
from vitruvian.evaluate.photos import Adapter
from vitruvian.evaluate.report import markdown
from vitruvian.predict import DEFAULT_MODEL, load


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 for unusable input, 2 for usage."""
    parser = argparse.ArgumentParser(prog="python -m vitruvian.evaluate", description=(evaluate.__doc__ or "").splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="folder that holds INDEX.json and the labelled photos")
    parser.add_argument("--out", type=Path, required=True, help="folder for photos.json, photos.md, sheet.jpg, sheet.txt")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="packaged name or .safetensors file")
    parser.add_argument("--synth", type=Path, help="held-out synthetic set: its figures and its mean pose")
    parser.add_argument("--limit", type=int, help="frames of the synthetic set")
    parser.add_argument("--device", default="auto")
    chosen = parser.parse_args(arguments)
    try:
        predictor = Adapter(load(chosen.model, device=chosen.device, dtype="fp32"))
        figures = evaluate_photos(chosen.shared, predictor, chosen.out, synth=chosen.synth, limit=chosen.limit)
    except VitruvianError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    print(markdown(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
