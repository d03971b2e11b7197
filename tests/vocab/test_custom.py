"""Sets of a user's own: read from TOML wherever a name is allowed, checked field by field, saved with the weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from vitruvian import vocab
from vitruvian.errors import InputError, UsageError, WeightsError
from vitruvian.tasks import task
from vitruvian.types import HeadSpec, ModelSpec, Sample
from vitruvian.weights.card import card_of, from_metadata, to_metadata

RACKET = """
name = "{name}"
keypoints = [
  {{ name = "tip" }},
  {{ name = "left_rim", swap = "right_rim", sigma = 0.04 }},
  {{ name = "right_rim", swap = "left_rim", color = [1, 2, 3] }},
  {{ name = "throat", body = "lower" }},
  {{ name = "nose" }},
]
links = [{{ from = "tip", to = "throat" }}]
"""
PARTS = 'name = "{name}"\nclasses = [{{ name = "Background" }}, {{ name = "Left_Glove", swap = "Right_Glove" }},\n'
PARTS += '{{ name = "Right_Glove", swap = "Left_Glove", loss_weight = 4 }}]\n'


def written(folder: Path, text: str, name: str) -> str:
    path = folder / f"{name}-file.toml"
    path.write_text(text.format(name=name))
    return str(path)


def test_a_skeleton_of_ones_own(tmp_path: Path) -> None:
    path = written(tmp_path, RACKET, "racket5")
    own = vocab.skeleton(path)
    assert own.names == ("tip", "left_rim", "right_rim", "throat", "nose") and own.flip == (0, 2, 1, 3, 4)
    assert own.sigmas == (0.05, 0.04, 0.05, 0.05, 0.05) and own.weights == (1,) * 5
    assert own.colors[1] == (0, 255, 0) and own.colors[2] == (1, 2, 3) and own.colors[0] == (51, 153, 255)
    assert own.groups == {"all": (0, 1, 2, 3, 4)} and own.lower == (3,) and own.min_visible == 3
    assert vocab.skeleton("racket5") == own and vocab.is_skeleton(path) and vocab.is_skeleton("racket5")
    assert list(vocab.keypoint_map("coco17", path)) == [-1, -1, -1, -1, 0]
    assert vocab.equivalents(path, "racket5")[1].rows == (1,)


def test_tasks_take_files_for_names(tmp_path: Path) -> None:
    skeleton, classes = written(tmp_path, RACKET, "racket5b"), written(tmp_path, PARTS, "gloves3")
    bare = ModelSpec("x", (64, 48), 16, 1, 2, 16, ())
    pose, seg = task("pose", skeleton=skeleton), task("seg", class_set=classes)
    assert (pose.head_spec(bare).out, pose.head_spec(bare).vocabulary) == (5, "racket5b")
    assert (seg.head_spec(bare).out, seg.head_spec(bare).vocabulary) == (3, "gloves3")
    assert vocab.class_set(classes).loss_weights == (1, 1, 4) and len(set(vocab.class_set(classes).colors)) == 3
    with pytest.raises(UsageError, match=r"gloves3-file.toml: keypoints is missing. Allowed: the TOML of a skeleton"):
        task("pose", skeleton=classes)


FAULTS = [
    ('"racket', '"coco17', "name is 'coco17', a set of this package"),
    ('swap = "left_rim"', 'swap = "tip"', "keypoints: left_rim: swap is 'right_rim', but the swap of right_rim is tip"),
    ('swap = "left_rim", ', "", "swap of right_rim is itself: an impossible flip pair"),
    ("right_rim", "left_brim", "both left: an impossible flip pair"),
    ('swap = "left_rim"', 'swap = "left_rmi"', r"right_rim: swap: unknown name 'left_rmi'. Did you mean left_rim"),
    ('"nose"', '"tip"', "keypoints: the name 'tip' occurs twice"),
    ("sigma = 0.04", "sigma = 0", r"left_rim: sigma is 0. Allowed: a number above 0, at most 1"),
    ("sigma = 0.04", "sgima = 0.04", r"keypoints: row 2: unknown field 'sgima'. Did you mean sigma"),
    ("[1, 2, 3]", "[1, 2, 300]", r"right_rim: color is \[1, 2, 300\]"),
    ('body = "lower"', 'body = "left"', "throat: body is 'left'"),
    ('to = "throat"', 'to = "tip"', "links: row 1: from 'tip' to itself"),
    ('to = "throat"', 'to = "throw"', "links: row 1: to: unknown keypoint 'throw'"),
    ("links =", "joints =", "unknown field 'joints'"),
    ("\nkeypoints = [", "\nmin_visible = 9\nkeypoints = [", "min_visible is 9. Allowed: a whole number from 1 to 5"),
    ("\nlinks", '\ngroups = {{ hand = ["tip", "tap"] }}\nlinks', "groups: hand: unknown keypoint 'tap'"),
    ("{{ name =", "{{ title =", "row 1: unknown field 'title'"),
]


@pytest.mark.parametrize(("old", "new", "words"), FAULTS, ids=[words[:40] for _, _, words in FAULTS])
def test_faults_are_told_with_file_and_field(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in RACKET.replace("{name}", "racket")
    text = RACKET.replace("{name}", "racket-faulty").replace(old, new)
    path = written(tmp_path, text.replace('"coco17-faulty"', '"coco17"'), "faulty")
    with pytest.raises(UsageError, match=words) as told:
        vocab.skeleton(path)
    assert path in str(told.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.toml: cannot be read"):
        vocab.skeleton(str(tmp_path / "absent.toml"))
    with pytest.raises(InputError, match="not TOML"):
        vocab.skeleton(written(tmp_path, "name = ", "broken"))
    with pytest.raises(UsageError, match=r"coco17.*FILE.toml"):
        vocab.skeleton("coco-17")


def test_class_sets_are_checked(tmp_path: Path) -> None:
    for text, words in (
        ('name = "one1"\nclasses = [{{ name = "Background" }}]', "1 classes. Allowed: 2 to 255"),
        ('name = "one1"\nignore = 0\nclasses = [{{ name = "a" }}, {{ name = "b" }}]', "ignore is 0. Allowed: 255"),
        (
            'name = "one1"\nclasses = [{{ name = "a", swap = "b" }}, {{ name = "b", swap = "a" }}]',
            "first class is the background",
        ),
        ('name = "one1"\nclasses = [{{ name = "a" }}, {{ name = "b", loss_weight = -1 }}]', "b: loss_weight is -1"),
    ):
        with pytest.raises(UsageError, match=words):
            vocab.class_set(written(tmp_path, text, "set"))
        (tmp_path / "set-file.toml").unlink()


def test_two_sets_of_one_name_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, RACKET, "racket-twice")
    vocab.skeleton(path)
    Path(path).rename(tmp_path / "moved.toml")
    assert vocab.skeleton(str(tmp_path / "moved.toml")).name == "racket-twice"  # the same set in another place
    with pytest.raises(UsageError, match="so is that of another set"):
        vocab.skeleton(written(tmp_path, RACKET.replace("0.04", "0.06"), "racket-twice"))


@pytest.mark.parametrize("name", vocab.class_map_names())
def test_class_maps_that_come_with_the_package(name: str) -> None:
    found = vocab.class_map(name)
    assert [row[0] for row in found.rows.values()] == list(vocab.class_set(name).names)
    table, flip, own = found.table(), vocab.class_set(name).flip, vocab.class_set("body28")
    mirrored = np.append(np.array(own.flip), [255] * 228)
    assert all(table[flip[i]] == mirrored[table[i]] for i in range(20)), "a mirrored mask maps to the mirrored classes"
    assert (table[20:] == -1).all()


def test_class_maps_of_ones_own(tmp_path: Path) -> None:
    good = (
        'name = "m"\nto = "body28"\nids = [{{ id = 0, name = "bg", to = "Background" }}, {{ id = 7, name = "x", to = "none" }}]'
    )
    table = vocab.class_map(written(tmp_path, good, "good")).table()
    assert (table[0], table[7], table[1]) == (0, 255, -1)
    for old, new, words in (
        ("= 7", "= 0", "ids: the id 0 occurs twice"),
        ('"none"', '"non"', "x: to: unknown class of body28 'non'"),
        ("= 7", "= 256", "x: id is 256"),
        ("body28", "body29", "body28"),
    ):
        with pytest.raises(UsageError, match=words):
            vocab.class_map(written(tmp_path, good.replace(old, new), "bad"))


def test_weights_carry_the_sets_that_they_need(tmp_path: Path) -> None:
    path = written(tmp_path, RACKET, "racket-saved")
    spec = ModelSpec("x", (64, 48), 16, 1, 2, 16, (HeadSpec("pose", (8, 8), out=5, vocabulary=path),))
    card = card_of(spec, {}, "")
    assert card.spec.heads[0].vocabulary == "racket-saved" and card.vocabularies["racket-saved"][0] == "tip"
    (tmp_path / "card.json").write_text(to_metadata(card)["vitruvian"])
    code = (
        "import sys; from pathlib import Path; from vitruvian.weights.card import from_metadata; from vitruvian import vocab\n"
        "from_metadata({'vitruvian': Path(sys.argv[1]).read_text()}, 'x.safetensors')\n"
        "print(vocab.skeleton('racket-saved').flip)"
    )
    told = subprocess.run([sys.executable, "-c", code, str(tmp_path / "card.json")], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "(0, 2, 1, 3, 4)"
    other = to_metadata(card)["vitruvian"].replace('"sigma": 0.04', '"sigma": 0.07')
    with pytest.raises(WeightsError, match=r"x\.safetensors: racket-saved: name is 'racket-saved', and so is that of another"):
        from_metadata({"vitruvian": other}, "x.safetensors")


def test_labels_that_fit_no_point_or_class_are_told(tmp_path: Path) -> None:
    own = vocab.skeleton(written(tmp_path, RACKET.replace('"nose"', '"grip"'), "racket-alone")).name
    image, box = np.zeros((8, 8, 3), np.uint8), np.array([0, 0, 8, 8], np.float32)
    spec = ModelSpec("x", (64, 48), 16, 1, 2, 16, (HeadSpec("pose", (8, 8), out=5, vocabulary=own),))
    from vitruvian.geometry import make_crop

    crop = make_crop(box, (64, 48), (8, 8))
    sample = Sample(
        image, box, "a/1", skeleton="coco17", keypoints=np.ones((17, 3), np.float32), classes=np.full((8, 8), 28, np.uint8)
    )
    with pytest.raises(InputError, match="a/1 has the skeleton coco17, which has no point in common with racket-alone"):
        task("pose", skeleton=own).encode(sample, crop, spec)
    with pytest.raises(InputError, match="a/1: ids up to 28, but body28 has 28 classes"):
        task("seg").encode(sample, crop, spec)
