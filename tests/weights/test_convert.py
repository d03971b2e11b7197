"""Any layout as one file of ours: the same numbers, bit for bit, or no file at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from official_files import LAYOUTS, as_checkpoint, made, tiny, tiny_encoder
from safetensors.torch import load_file, save_file

from vitruvian import weights
from vitruvian.cli import main
from vitruvian.errors import InputError, UsageError, WeightsError
from vitruvian.weights.convert import convert
from vitruvian.weights.keymaps import from_official

pytestmark = pytest.mark.usefixtures("tiny_is_a_size")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_becomes_the_same_file_bit_for_bit(layout: str, tmp_path: Path) -> None:
    state = tiny("pose133").state_dict()
    done = convert(made(layout, state, tmp_path), tmp_path / "out.safetensors")
    written, wanted = load_file(done.path), from_official(state, "pose")
    assert done.tensors == len(wanted) == len(written)
    assert all(torch.equal(written[name].view(torch.int32), wanted[name].view(torch.int32)) for name in wanted)
    loaded = weights.load(done.path, kind="people")
    assert loaded.card.spec == done.source.card.spec
    provenance = loaded.card.provenance
    assert provenance["sha256"] == done.source.hash and provenance["layout"] == done.source.layout
    assert provenance["converted"].endswith("to fp32")


def test_an_encoder_stays_an_encoder(tmp_path: Path) -> None:
    done = convert(made("flat", tiny_encoder(), tmp_path), tmp_path / "out.safetensors")
    assert weights.load(done.path).card.is_encoder


def test_bf16_is_rounded_once(tmp_path: Path) -> None:
    state = tiny("seg28").state_dict()
    done = convert(as_checkpoint(state, tmp_path / "x.pth"), tmp_path / "out.safetensors", dtype="bf16")
    wanted = from_official(state, "seg")
    assert all(torch.equal(value, wanted[name].bfloat16()) for name, value in load_file(done.path).items())


def test_a_file_that_does_not_read_back_equal_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rotten(state: dict[str, torch.Tensor], path: Path, metadata: dict[str, str]) -> None:
        name = next(iter(state))
        save_file({**state, name: state[name] + 1e-3}, path, metadata=metadata)

    monkeypatch.setattr(sys.modules[weights.save.__module__], "save_file", rotten)
    path, out = as_checkpoint(tiny("seg28").state_dict(), tmp_path / "x.pth"), tmp_path / "out.safetensors"
    out.write_text("an older one")
    with pytest.raises(WeightsError, match=r"out\.safetensors did not read back equal and was not written"):
        convert(path, out, overwrite=True)
    assert out.read_text() == "an older one" and {each.name for each in tmp_path.iterdir()} == {"x.pth", "out.safetensors"}


def test_what_is_there_already_stays(tmp_path: Path) -> None:
    path, out = as_checkpoint(tiny("seg28").state_dict(), tmp_path / "x.pth"), tmp_path / "out.safetensors"
    out.write_text("mine")
    with pytest.raises(InputError, match=r"out\.safetensors is already there\. Fix: --overwrite, or another --out"):
        convert(path, out)
    assert out.read_text() == "mine"
    convert(path, out, overwrite=True)
    with pytest.raises(UsageError, match=r"must end in \.safetensors\. Fix: --out .*out\.safetensors"):
        convert(path, tmp_path / "out.pth")
    with pytest.raises(UsageError, match="unknown dtype 'fp8'"):
        convert(path, out, dtype="fp8", overwrite=True)
    with pytest.raises(WeightsError, match=r"is a tiny seg28, not sapiens-0\.3b-seg28"):
        convert(path, out, name="sapiens-0.3b-seg28", overwrite=True)


def test_no_room_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_checkpoint(tiny("seg28").state_dict(), tmp_path / "x.pth")
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10})())
    with pytest.raises(WeightsError, match=r"cannot be written .*No space left on device.*are needed.*Fix: make room"):
        convert(path, tmp_path / "new" / "out.safetensors")
    assert not list((tmp_path / "new").iterdir())


def test_the_command_says_what_was_done(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = as_checkpoint(tiny("normal").state_dict(), tmp_path / "x.pth")
    assert main(["models", "convert", str(path), "--out", str(tmp_path / "out.safetensors")]) == 0
    told = capfd.readouterr().out
    for text in ("heads normal (3)", "licence unknown; the official Sapiens v1 weights are CC-BY-NC-4.0", "sha256 ",
                 "of x.pth (PyTorch checkpoint (.pth)) read back equal bit for bit in fp32", "left out: meta"):  # fmt: skip
        assert text in told
    assert main(["models", "show", str(tmp_path / "out.safetensors")]) == 0
    told = capfd.readouterr().out
    for text in ("patches: 16x16, padding 2", "photo: fit stretch", "-> 3, axes unstated", "converted: from x.pth to fp32"):
        assert text in told


def test_normals_keep_that_their_axes_are_not_stated(tmp_path: Path) -> None:
    source = made("checkpoint", tiny("normal").state_dict(), tmp_path)
    assert weights.load(source).card.spec.head("normal").options["axes"] == "unstated"
    done = convert(source, tmp_path / "out.safetensors")
    assert weights.load(done.path).card.spec.head("normal").options["axes"] == "unstated"
