from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vitruvian.recipes.curation import CHANCES, CleanPictures, example, main, split
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.weights.marks import load_marks


def test_what_is_judged_by_is_not_learned_from() -> None:
    learned, judged = split(Backgrounds.load())
    assert len(judged.photos) >= 10
    assert not set(learned.names) & set(judged.names)


def test_examples_are_of_every_kind_and_say_where_their_marks_are() -> None:
    clean, rng = CleanPictures(split(Backgrounds.load())[0]), np.random.default_rng(0)
    drawn = [example(clean, rng, (96, 112)) for _ in range(60)]
    assert {one.kind for one in drawn} == set(CHANCES)
    for one in drawn:
        assert one.picture.shape == (96, 112, 3)
        assert one.masks[0].any() == (one.kind == "watermark")
        assert one.masks.any() or one.kind in ("clean", "artistic")


def test_the_recipe_goes_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--work", str(tmp_path), "--steps", "2", "--batch", "2", "--workers", "0", "--pictures", "30"]
    assert main(words) == 0
    assert "found" in capsys.readouterr().out
    assert len(load_marks(tmp_path / "marks.safetensors").offsets) == 3
