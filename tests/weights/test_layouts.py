"""Containers: by content, without running anything of them; what is cut, foreign or malicious gets one clear line."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from official_files import LAYOUTS, Holder, as_torchscript, made, tiny

from vitruvian import weights
from vitruvian.errors import WeightsError
from vitruvian.weights import layouts

pytestmark = pytest.mark.usefixtures("tiny_is_a_size")
LAYOUT_OF = {"torchscript": layouts.TORCHSCRIPT, "safetensors": layouts.SAFETENSORS}


@pytest.mark.parametrize("row", ["pose17", "depth"])
def test_a_traced_model_is_read_as_pytorch_would_and_its_program_is_not_opened(row: str, tmp_path: Path) -> None:
    path = as_torchscript(tiny(row), tmp_path / "x_torchscript.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        wanted = torch.jit.load(str(path)).state_dict()
    broken = tmp_path / "broken_torchscript.pt2"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(broken, "w") as target:
        for entry in source.infolist():
            target.writestr(entry, b"no program" if "/code/" in entry.filename else source.read(entry))
    for each in (path, broken):
        raw = layouts.read(each)
        assert raw.layout == layouts.TORCHSCRIPT and set(raw.tensors) == set(wanted)
        assert all(torch.equal(raw.tensors[name], wanted[name]) for name in wanted)
    weights.load(broken)


def test_compressed_archives_are_read_too(tmp_path: Path) -> None:
    path = as_torchscript(tiny("seg28"), tmp_path / "x_torchscript.pt2")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "small.pt2", "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.namelist():
            target.writestr(entry, source.read(entry))
    ours, theirs = (weights.load(each).model.state_dict() for each in (tmp_path / "small.pt2", path))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(layout: str, share: float, tmp_path: Path) -> None:
    path = made(layout, tiny("seg28").state_dict(), tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match=rf"{path.name}: (cannot be read as .*cut or damaged|refused)"):
        weights.load(path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_content_tells_the_layout_not_the_name(layout: str, tmp_path: Path) -> None:
    path = made(layout, tiny("depth").state_dict(), tmp_path)
    for name in ("weights", "weights.bin", "weights.safetensors", "weights.pth"):
        loaded = weights.load(path.rename(path.with_name(name)))
        path = loaded.path
        assert loaded.layout == LAYOUT_OF.get(layout, layouts.CHECKPOINT)


@pytest.mark.parametrize("protocol", [2, 4])
def test_later_pickles_are_read_without_a_warning(protocol: int, tmp_path: Path) -> None:
    torch.save({"state_dict": tiny("depth").state_dict()}, tmp_path / "x.pth", pickle_protocol=protocol)
    weights.load(tmp_path / "x.pth")


@pytest.mark.parametrize("name", ["x.pth", "x.safetensors", "x_torchscript.pt2"])
def test_what_a_browser_or_git_leaves_in_the_place_of_weights_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n")
    with pytest.raises(WeightsError, match=r"a pointer of Git LFS, not the weights themselves\. Fix: git lfs pull"):
        weights.load(path)
    path.write_text("<!doctype html><html></html>")
    with pytest.raises(WeightsError, match=r"a web page, not weights\. Fix: vitruvian models fetch"):
        weights.load(path)
    path.write_bytes(b"")
    with pytest.raises(WeightsError, match=r"\(it is empty\)\. Fix: fetch it again"):
        weights.load(path)


@pytest.mark.parametrize("content", [torch.ones(3), [1, 2], {"state_dict": [1]}, "words"])
def test_a_pickle_of_something_else_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="no weights by name"):
        weights.load(tmp_path / "x.pth")


class Trap:
    """An object whose pickle runs a command."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def _trap_in_state(marker: Path, path: Path) -> None:
    torch.save({"state_dict": tiny("seg28").state_dict(), "meta": Trap(marker)}, path)


def _trap_beside_training_records(marker: Path, path: Path) -> None:
    LAYOUTS["training"][0]({**tiny("seg28").state_dict(), "trap": Trap(marker)}, path)  # type: ignore[dict-item]


def _old_pickle(marker: Path, path: Path) -> None:
    path.write_bytes(pickle.dumps({"state_dict": Trap(marker)}))


def _trap_in_torchscript(marker: Path, path: Path) -> None:
    good = as_torchscript(tiny("seg28"), path.with_name("good.pt2"))
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            trap = pickle.dumps(Trap(marker), protocol=2)
            target.writestr(entry, trap if entry.filename.endswith("/data.pkl") else source.read(entry))


@pytest.mark.parametrize("trap", [_trap_in_state, _trap_beside_training_records, _old_pickle, _trap_in_torchscript])
def test_a_malicious_pickle_is_refused_and_nothing_of_it_runs(trap: Any, tmp_path: Path) -> None:
    marker, path = tmp_path / "executed", tmp_path / "x.pth"
    trap(marker, path)
    with pytest.raises(WeightsError, match=r"refused, .*nothing of it was run"):
        weights.load(path)
    assert not marker.exists()
    if trap is _trap_in_state:
        torch.load(path, weights_only=False)
        assert marker.exists(), "the trap is one"


def test_a_pickle_cannot_reach_beyond_its_storage(tmp_path: Path) -> None:
    path = as_torchscript(Holder({"patch_embed.projection.weight": torch.zeros(4, 3, 16, 16)}), tmp_path / "x.pt2")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "y.pt2", "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith("/data.pkl"):
                at = content.index(b"K\x04K\x03K\x10K\x10")  # the shape, 4 x 3 x 16 x 16
                content = content[:at] + b"K\x08" + content[at + 2 :]
            target.writestr(entry, content)
    with pytest.raises(WeightsError, match="does not fit its storage"):
        weights.load(tmp_path / "y.pt2")


def test_programs_are_refused_with_the_file_to_take_instead(tmp_path: Path) -> None:
    name = "sapiens_0.3b_goliath_best_goliath_mIoU_7673_epoch_194"
    by_name, by_content = tmp_path / f"{name}_bfloat16.pt2", tmp_path / "x.pt2"
    by_name.write_bytes(b"")
    with zipfile.ZipFile(by_content, "w") as file:
        for entry in ("serialized_exported_program.json", "serialized_state_dict.pt", "version"):
            file.writestr(entry, "{}")
    with pytest.raises(WeightsError, match=rf"Allowed: {name}\.pth or {name}_torchscript\.pt2 .*fetch sapiens-0\.3b-seg28"):
        weights.load(by_name)
    with pytest.raises(WeightsError, match=r"a program exported for one version of PyTorch.*x_torchscript\.pt2"):
        weights.load(by_content)
