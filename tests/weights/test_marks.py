from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from vitruvian.errors import WeightsError
from vitruvian.model.marks import OUTPUTS, MarkNet
from vitruvian.synth.marks import PACKAGED as FONTS
from vitruvian.synth.marks import caption
from vitruvian.weights.marks import PACKAGED, Marks, load_marks, save_marks


def test_a_network_comes_back_as_it_was_written(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = MarkNet((4, 6, 8, 10), (1, 3)).eval()
    torch.nn.init.normal_(net.whole[-1].weight)
    save_marks(tmp_path / "m.safetensors", Marks(net, (0.5, 0.0, -0.5)), {"recipe": "none"})
    loaded = load_marks(tmp_path / "m.safetensors")
    picture = np.random.default_rng(0).integers(0, 255, (70, 90, 3)).astype(np.uint8)
    assert loaded.offsets == (0.5, 0.0, -0.5)
    assert torch.allclose(loaded.logits(picture), Marks(net, ()).logits(picture), atol=1e-2)


def test_pictures_of_any_size_are_answered() -> None:
    marks = load_marks()
    for size in ((16, 16), (5, 300), (900, 700)):
        scores = marks.scores(np.zeros((*size, 3), np.uint8))
        assert tuple(scores) == OUTPUTS
        assert all(0 <= score <= 1 for score in scores.values())


def test_the_packaged_network_is_small_and_sees_what_is_plain(tmp_path: Path) -> None:
    assert PACKAGED.stat().st_size < 3_000_000
    marks, rng = load_marks(), np.random.default_rng(3)
    smooth = np.linspace(40, 200, 400)[:, None, None] + np.linspace(-30, 30, 400)[None, :, None] + np.zeros(3)
    photo = (smooth + rng.normal(0, 6, (400, 400, 1))).clip(0, 255).astype(np.uint8)
    marked = [marks.scores(caption(photo, FONTS, rng)[0])["text"] for _ in range(12)]
    assert np.median(marked) > marks.scores(photo)["text"]


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_damaged_file_says_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="Fix"):
        load_marks(tmp_path / "m.safetensors")


@pytest.mark.parametrize("field", ["widths", "offsets"])
def test_a_file_without_a_field_says_so(field: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_marks(path, Marks(MarkNet((4, 6, 8, 10)).eval(), (0.0, 0.0, 0.0)), {})
    with safe_open(path, "pt") as file:
        told = json.loads(file.metadata()["vitruvian"])
    for damaged in ({name: value for name, value in told.items() if name != field}, told | {field: None}, []):
        save_file(load_file(path), path, metadata={"vitruvian": json.dumps(damaged)})
        with pytest.raises(WeightsError, match=r"m\.safetensors: no weights of marks.*Fix"):
            load_marks(path)


def test_two_processes_that_write_one_file_have_drafts_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drafts: list[Path] = []
    monkeypatch.setattr("vitruvian.weights.marks.save_file", lambda _, path, **__: (drafts.append(path), path.touch()))
    for process in (11, 12):
        monkeypatch.setattr("os.getpid", lambda process=process: process)
        save_marks(tmp_path / "m.safetensors", Marks(MarkNet((4, 6, 8, 10)), (0.0, 0.0, 0.0)), {})
    assert drafts[0] != drafts[1] and {path.name for path in tmp_path.iterdir()} == {"m.safetensors"}
