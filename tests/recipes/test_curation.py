from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from vitruvian.errors import UsageError
from vitruvian.recipes import curation
from vitruvian.recipes.curation import (
    CHANCES,
    CleanPictures,
    Example,
    Stream,
    _tensors,
    example,
    fonts_of,
    loss_of,
    main,
    split,
    with_more,
)  # fmt: skip
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.marks import PACKAGED, lettering
from vitruvian.weights.marks import load_marks


def test_what_is_judged_by_is_not_learned_from() -> None:
    learned, judged = split(Backgrounds.load())
    assert len(judged.photos) >= 10
    more = with_more(learned)
    assert len(more.photos) == len(more.names) > len(learned.photos) + 40
    for names in (learned.names, more.names):
        assert not set(names) & set(judged.names)


@pytest.mark.parametrize("size", [(288, 288), (384, 512)])
def test_clean_pictures_are_as_sharp_as_photos(size: tuple[int, int]) -> None:
    clean, rng = CleanPictures(split(Backgrounds.load())[0]), np.random.default_rng(0)
    grey = [cv2.cvtColor(clean.draw(rng, size), cv2.COLOR_RGB2GRAY) for _ in range(40)]
    low, median, high = np.percentile([np.abs(cv2.Laplacian(one, cv2.CV_32F)).mean() for one in grey], (10, 50, 90))
    assert low < 8 < high < 40, "soft ones and sharp ones, none beyond what photos are"
    assert 6 < median < 20, "photos at 512 px: 15"


def test_examples_are_of_every_kind_and_say_where_their_marks_are() -> None:
    clean, rng = CleanPictures(split(Backgrounds.load())[0]), np.random.default_rng(0)
    drawn = [example(clean, rng, (96, 112)) for _ in range(60)]
    assert {one.kind for one in drawn} == set(CHANCES)
    for one in drawn:
        assert one.picture.shape == (96, 112, 3)
        assert not one.masks[0].any() or one.kind == "watermark"
        assert one.masks[1].any() or one.kind != "text"
    seen = [one.masks[0].any() for one in drawn if one.kind == "watermark"]
    assert np.mean(seen) > 0.9, "nearly all watermarks can be seen"


def test_what_cannot_be_seen_teaches_nothing_of_pictures() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    masks = np.zeros((2, 64, 64), np.float32)
    masks[0, :4, :4] = 1  # fewer pixels than anybody would notice
    told = {}
    for name, one in (("little", Example(picture, "watermark", masks)), ("none", Example(picture, "watermark", masks * 0)),
                      ("clean", Example(picture, "clean", masks * 0))):  # fmt: skip
        told[name] = _tensors(one)[2]
    assert told["little"].isnan().tolist() == [True, False, False]
    assert told["none"].isnan().tolist() == [True, True, False]
    assert told["clean"].tolist() == [0, 0, 0]
    places, pictures, shares = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3), torch.zeros(1, 2, 4, 4)
    little, clean = (float(loss_of(places, pictures, shares, told[name][None])) for name in ("little", "clean"))
    assert little < clean


def test_words_of_a_scene_are_no_overlay() -> None:
    grey = np.full((120, 160, 3), 128, np.uint8)
    drawn = [lettering(grey, PACKAGED, np.random.default_rng(seed)) for seed in range(6)]
    assert all(picture.shape == grey.shape and (picture != grey).any() for picture in drawn)
    dark = [lettering(grey // 8, PACKAGED, np.random.default_rng(seed)) for seed in range(6)]
    assert max(picture.max() for picture in dark) < 180, "lit as what they stand on"


def test_fonts_to_judge_with_are_not_learned_from(tmp_path: Path) -> None:
    for name in ("Lora.ttf", "sub/Anton.woff", "DejaVuSans.ttf", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files = [font for font in fonts_of(tmp_path) if font not in PACKAGED]
    assert sorted(Path(font).name for font in files) == ["Anton.woff", "Lora.ttf"]
    assert fonts_of(None) == PACKAGED


def test_most_words_are_in_font_files_where_there_are_many(tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"{number}.ttf").touch()
    fonts = fonts_of(tmp_path)
    assert 0.6 < np.mean([font not in PACKAGED for font in fonts]) < 0.8


def test_batches_are_of_two_sizes_by_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curation, "BATCHES", ((64, 3), (96, 2)))
    batches = iter(Stream(CleanPictures(split(Backgrounds.load())[0]), PACKAGED, (1,)))
    for side, count in ((64, 3), (96, 2), (64, 3)):
        pictures, shares, kinds = next(batches)
        assert (pictures.shape, pictures.dtype) == ((count, 3, side, side), torch.uint8)
        assert (shares.shape, kinds.shape) == ((count, 2, side // 16, side // 16), (count, 3))


def test_the_recipe_goes_through_and_goes_on_where_it_was_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curation, "BATCHES", ((64, 2), (96, 2)))
    words = ["--work", str(tmp_path), "--steps", "2", "--workers", "0", "--pictures", "30"]
    assert main(words) == 0
    assert "found" in capsys.readouterr().out
    first = load_marks(tmp_path / "marks.safetensors")
    assert len(first.offsets) == 3
    (tmp_path / "marks.safetensors").unlink()
    assert main(words) == 0
    assert "resumed after step 2" in capsys.readouterr().out
    assert load_marks(tmp_path / "marks.safetensors").hash == first.hash
    with pytest.raises(UsageError, match="another --work"):
        main([*words, "--lr", "1e-3"])
