"""A source is told from its path, or described in a TOML file."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from vitruvian.data.layouts import LAYOUTS, open_source
from vitruvian.data.maps import Maps
from vitruvian.errors import InputError, UsageError
from vitruvian.survey.command import EXAMPLES

sys.path.insert(0, str(Path(__file__).parent))
from coco_files import write_coco


def toml(folder: Path, text: str) -> str:
    (folder / "source.toml").write_text(text)
    return str(folder / "source.toml")


def test_every_layout_has_an_example() -> None:
    assert set(EXAMPLES) == set(LAYOUTS)


def test_coco_by_its_file_or_by_a_description(tmp_path: Path) -> None:
    write_coco(tmp_path)
    opened = open_source(str(tmp_path / "a.json"))
    assert (opened.kind, opened.source.samples) == ("coco", 1) and opened.told.startswith("coco17, pictures in")
    described = open_source(toml(tmp_path, 'kind = "coco"\nannotations = "a.json"\nimages = "."'))
    assert described.source.sample(0).key == opened.source.sample(0).key
    with pytest.raises(InputError, match="are none of"):
        path = tmp_path / "horn.toml"
        path.write_text('name = "horn1"\nkeypoints = [{ name = "horn" }]')
        open_source(str(tmp_path / "source.toml"), str(path))
    (tmp_path / "a.png").unlink()
    with pytest.raises(InputError, match=r"its first picture, a.png, is not near it. Fix: a TOML file"):
        open_source(str(tmp_path / "a.json"))


def test_folders_are_told_by_what_is_in_them(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images/a.png"), np.zeros((4, 4, 3), np.uint8))
    assert open_source(str(tmp_path)).kind == "photos"
    (tmp_path / "masks").mkdir()
    assert open_source(str(tmp_path)).kind == "maps"
    (tmp_path / "normals").mkdir()
    with pytest.raises(UsageError, match="normal_frame is not stated"):
        open_source(str(tmp_path))
    source = open_source(toml(tmp_path, 'kind = "maps"\nfolder = "."\nnormal_frame = "opengl"')).source
    assert isinstance(source, Maps) and source.kinds == ("masks", "normals")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('kind = "cocoa"', "kind: unknown layout 'cocoa'. Did you mean coco"),
        ("x = 1", "kind: unknown layout None"),
        ('kind = "maps"\nfolder = "."\nunit = 1', "unknown field of maps 'unit'. Did you mean depth_unit"),
        ('kind = "coco"\nimages = "."', "missing 1 required positional argument: 'annotations'"),
        ('kind = "photos"\nfolder = 3', "folder is 3. Allowed: a path"),
        ('kind = "shards"\nurls = 3', "urls is 3. Allowed: a path, pattern or URL"),
        ('kind = "shards"\nurls = ["x-{0..1}.tar"]', "no shard of 2 has a picture"),
    ],
)
def test_wrong_descriptions_are_told_with_file_and_field(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises((UsageError, InputError), match=words):
        open_source(toml(tmp_path, text))


def test_what_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no such file or folder. Allowed: SOURCE.toml"):
        open_source(str(tmp_path / "nowhere"))


def test_whole_bodies_are_told_by_their_fields(shared: Path) -> None:
    opened = open_source(str(shared / "data/mmpose_coco/annotations/test_coco_wholebody.json"))
    assert opened.told.startswith("wholebody133") and opened.source.sample(0).skeleton == "wholebody133"
