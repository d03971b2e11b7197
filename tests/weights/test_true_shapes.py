"""Files of true 0.3B shapes with random weights, in each layout and of each task; and what was recorded of official ones.

All tensors of such a file are views of the same few random numbers, so it takes 50 MB and not 1.3 GB; TorchScript and legacy
files too. What all layouts of all tasks answer on a photo is seen by benchmarks/official_layouts.py.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from official_files import as_checkpoint, made, true_size

from vitruvian import weights
from vitruvian.errors import WeightsError
from vitruvian.model import build
from vitruvian.weights import zoo
from vitruvian.weights.keymaps import to_official

PARAMETERS = {  # of backbones: of a task, at 1024x768; of an encoder, at 1024x1024 with a class token
    "0.3b": (306_244_608, 307_295_232), "0.6b": (634_597_120, 635_910_400),
    "1b": (1_139_163_648, 1_140_739_584), "2b": (2_131_943_040, 2_133_912_960),
}  # fmt: skip
HEADS = {"pose17": 23_214_353, "seg28": 33_250_588, "depth": 13_665_409, "normal": 33_231_363}  # parameters, 0.3B


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that is emptied at once: pytest keeps others for a while."""
    yield tmp_path
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.unlink()


@pytest.fixture(scope="module")
def recorded() -> Any:
    """Names and shapes of official 0.3B models."""
    place = Path(os.environ.get("VITRUVIAN_GOLDEN", Path(__file__).resolve().parents[3] / "shared" / "golden")) / "golden.json"
    if not place.is_file():
        pytest.skip(f"goldens not found at {place}; set VITRUVIAN_GOLDEN")
    return json.loads(place.read_text())["entries"]["key_shapes_0.3b"]


@pytest.mark.parametrize(
    ("layout", "row"),
    [("checkpoint", "pose308"), ("torchscript", "seg28"), ("legacy", "depth"), ("training", "normal"), ("flat", "pretrain")],
)
def test_each_layout_and_each_task(layout: str, row: str, folder: Path) -> None:
    release = zoo.release(f"sapiens-0.3b-{row}")
    path = made(layout, true_size(row), folder, release.stem)
    assert path.stat().st_size < 100e6
    loaded = weights.load(path)
    assert loaded.card.spec == release.spec and loaded.release == release
    assert loaded.card.licence == "CC-BY-NC-4.0"


def test_safetensors(folder: Path) -> None:
    release = zoo.release("sapiens-0.3b-depth")
    path, start, header = folder / f"{release.stem}.safetensors", 0, {}
    for name, value in true_size("depth").items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [start, start + 4 * value.numel()]}
        start += 4 * value.numel()
    words = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(words)) + words)
        file.truncate(8 + len(words) + start)  # zeros that take no room on the disk
    assert weights.load(path).card.spec == release.spec


@pytest.mark.parametrize("row", ["pose17", "seg28", "depth", "normal"])
def test_names_and_shapes_are_those_that_were_recorded(row: str, recorded: Any) -> None:
    assert official_shapes(f"sapiens-0.3b-{row}") == {**recorded["backbone"], **recorded[row]}


def test_those_of_the_encoder_too(recorded: Any) -> None:
    assert official_shapes("sapiens-0.3b-pretrain") == recorded["mae_backbone"]


@pytest.mark.parametrize("name", [name for name in zoo.releases() if zoo.release(name).row.name in (*HEADS, "pretrain")])
def test_parameters_of_every_size_are_those_that_were_published(name: str) -> None:
    release = zoo.release(name)
    count = {key: torch.Size(shape).numel() for key, shape in official_shapes(name).items()}
    backbone = sum(count[key] for key in count if key.startswith("backbone."))
    assert backbone == PARAMETERS[release.size][release.row.name == "pretrain"]
    if release.size == "0.3b" and release.row.task:
        assert sum(count.values()) - backbone == HEADS[release.row.name]


def test_another_size_than_asked_for_stops(folder: Path) -> None:
    path = as_checkpoint(true_size("seg28"), folder / "x.pth")
    with pytest.raises(WeightsError, match=r"is a 0\.3b seg28, not sapiens-0\.6b-seg28"):
        weights.load(path, expected="sapiens-0.6b-seg28")
    assert weights.load(path, expected="sapiens-0.3b-seg28").card.spec.name == "sapiens-0.3b-seg28"


def test_a_file_without_some_blocks_is_listed_against_what_was_asked(folder: Path) -> None:
    state = {name: value for name, value in true_size("depth").items() if ".layers.23." not in name}
    path = as_checkpoint(state, folder / "sapiens_0.3b_render_people_epoch_100.pth")
    with pytest.raises(WeightsError, match=r"does not fit sapiens-0\.3b-depth\. 12 missing: backbone\.layers\.23\.attn\.proj"):
        weights.load(path)


def official_shapes(name: str) -> dict[str, list[int]]:
    """The tensors of a checkpoint by official name."""
    spec = zoo.release(name).spec
    with torch.device("meta"):
        state = build(spec).state_dict()
    return {key: list(value.shape) for key, value in to_official(state, spec.heads[0].task if spec.heads else None).items()}
