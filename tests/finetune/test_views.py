from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from drawn_people import MINE, People, green, person, write_maps, write_people
from small_model import SPEC

from vitruvian.data.augment import Augment, Backdrops
from vitruvian.errors import InputError, UsageError
from vitruvian.finetune.views import Labelled, Lessons, open_labelled
from vitruvian.geometry import make_crop, warp_area
from vitruvian.tasks import task
from vitruvian.tasks.pose import Pose
from vitruvian.types import Sample
from vitruvian.vocab import define, definition, skeleton
from vitruvian.vocab.custom import read_toml

STILL = Augment(
    flip=0, half_body=0, shift_chance=0, scale=0, rotate_chance=0, zoom=(1, 1), most_of_one_class=1, light=0, blur=0, median=0
)  # fmt: skip
TASKS = tuple(task(name) if name != "pose" else Pose("coco17") for name in ("pose", "seg", "depth", "normal"))


def labelled(count: int = 4) -> Labelled:
    return Labelled((People(count),), ("drawn",))  # type: ignore[arg-type]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_without_chance_an_example_is_what_predict_sees() -> None:
    image, target, key = Lessons(labelled(), TASKS, SPEC, STILL).example(2, rng())
    sample = person(2)
    crop = make_crop(sample.box, SPEC.size, (80, 64), SPEC.fit, SPEC.box_padding)
    np.testing.assert_array_equal(image, warp_area(sample.image, crop))
    for one in TASKS:
        for name, value in one.encode(sample, crop, SPEC).items():
            torch.testing.assert_close(torch.as_tensor(target[one.name][name]), value)
    assert key == "2.png" and set(target) == {"pose", "seg", "depth", "normal"}


def test_whole_photos_where_the_model_sees_them() -> None:
    spec = replace(SPEC, fit="stretch").with_heads(*SPEC.heads[1:])
    image, target, _ = Lessons(labelled(), TASKS[1:], spec, STILL).example(1, rng())
    crop = make_crop(person(1).box, SPEC.size, (80, 64), "stretch")
    np.testing.assert_array_equal(image, warp_area(person(1).image, crop))
    assert torch.equal(torch.as_tensor(target["seg"]["label"]), TASKS[1].encode(person(1), crop, spec)["label"])


def test_an_example_is_a_function_of_its_number_and_chance() -> None:
    lessons = Lessons(labelled(), TASKS, SPEC, Augment())
    one, two, other = lessons.example(0, rng(7)), lessons.example(0, rng(7)), lessons.example(0, rng(8))
    np.testing.assert_array_equal(one[0], two[0])
    assert not np.array_equal(one[0], other[0])


def test_points_and_parts_go_with_the_picture() -> None:
    """What the maps say of a place is what the picture shows there, however it was moved, turned or mirrored."""
    still = replace(Augment(), light=0, blur=0, median=0)
    lessons = Lessons(labelled(20), TASKS, SPEC, still)
    for seed in range(20):
        image, target, _ = lessons.example(seed, rng(seed))
        label = np.asarray(target["seg"]["label"])
        depth, normal = np.asarray(target["depth"]["depth"])[0], np.asarray(target["normal"]["normal"])
        assert ((depth >= 0) == (label > 0)).all() and ((normal[2] > -2) == (label > 0)).all()
        core = cv2.erode((label > 0).astype(np.uint8), np.ones((7, 7))) > 0
        if core.sum() > 40:  # the drawn person's third channel is how far it faces the camera
            shown = image[..., 2][core].astype(float) / 200
            assert np.corrcoef(shown, -normal[2][core])[0, 1] > 0.9


def test_someone_with_too_few_points_gives_way() -> None:
    class Hidden(People):
        def sample(self, number: int) -> Sample:
            one = person(number)
            return replace(one, keypoints=one.keypoints * 0) if number == 0 else one

    lessons = Lessons(Labelled((Hidden(3),), ("x",)), TASKS[:1], SPEC, STILL)  # type: ignore[arg-type]
    assert lessons.example(0, rng())[2] in ("1.png", "2.png")
    both = Lessons(Labelled((Hidden(3),), ("x",)), TASKS[:2], SPEC, STILL)  # type: ignore[arg-type]
    assert both.example(0, rng())[2] == "0.png"  # its parts are labelled
    alone = Lessons(Labelled((Hidden(1),), ("x",)), TASKS[:1], SPEC, STILL)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"0\.png and 999 others .* too few labels for pose"):
        alone.example(0, rng())


def test_another_background_stands_behind_people_only(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "g.png"), green(90))
    lessons = Lessons(labelled(), TASKS[1:2], SPEC, replace(STILL, background=1.0), Backdrops(tmp_path))
    image, target, _ = lessons.example(0, rng())
    label = np.asarray(target["seg"]["label"])
    far = cv2.dilate((label > 0).astype(np.uint8), np.ones((9, 9))) == 0
    inside = warp_area(np.full((80, 64), 255, np.uint8), make_crop(person(0).box, SPEC.size, (80, 64))) == 255
    assert (image[far & inside] == (0, 255, 0)).all() and (far & inside).any()
    core = cv2.erode((label > 0).astype(np.uint8), np.ones((9, 9))) > 0
    assert (image[core][:, 0] > 0).any()


def test_a_folder_without_photos_is_told_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no photos"):
        Backdrops(tmp_path)


def test_several_sources_follow_one_another(people: Path, tmp_path: Path) -> None:
    found = open_labelled([str(people), str(write_maps(tmp_path / "maps", 3))], None)
    assert found.samples == 9 and found.groups is None
    assert found.sample(5).keypoints is not None and found.sample(6).depth is not None
    assert found.digest() != open_labelled([str(people)], None).digest()


def test_what_is_no_labelled_data(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    cv2.imwrite(str(tmp_path / "photos" / "a.png"), green(8))
    for given, told in (([], "no labelled data"), ([str(tmp_path / "photos")], "photos without labels")):
        with pytest.raises(UsageError, match=told):
            open_labelled(given, None)


def test_a_custom_skeleton_is_known_in_a_worker_that_never_read_it(tmp_path: Path) -> None:
    (tmp_path / "five.toml").write_text(MINE)
    define(read_toml(tmp_path / "five.toml"), "here")
    source = open_labelled([str(write_people(tmp_path / "p", 2, skeleton("drawn5").names))], str(tmp_path / "five.toml"))
    table: Any = definition("drawn5")
    lessons = Lessons(source, (Pose("drawn5"),), SPEC, STILL, None, (table,))
    (tmp_path / "five.toml").rename(tmp_path / "moved.toml")
    (tmp_path / "lessons.pickle").write_bytes(pickle.dumps(lessons))
    code = (
        "import pickle, sys, numpy as np;"
        "x = pickle.load(open(sys.argv[1], 'rb')).example(1, np.random.default_rng(0));"
        "print(x[1]['pose']['weight'].tolist())"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "lessons.pickle")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.stdout.strip() == "[1.0, 1.0, 1.0, 1.0, 1.0]", done.stderr


def test_all_308_points_of_synthetic_people_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    from vitruvian.data.gbuffer import GBuffer, SynthPerson, write_gbuffer

    shape = (8, 6)
    points = {name: np.full((count, 3), 2, np.float32) for name, count in (("wholebody133", 133), ("sapiens308", 308))}
    who = SynthPerson(np.array([0, 0, 5, 7], np.float32), **points)
    flat = np.ones(shape, np.float32)
    ones, normal = np.ones(shape, np.uint8), np.dstack([flat * 0, flat * 0, -flat])
    frame = GBuffer(ones, ones, ones, flat, normal, np.zeros((*shape, 3), np.float32), np.eye(3), (who,))
    (tmp_path / "gbuffers").mkdir()
    (tmp_path / "images").mkdir()
    write_gbuffer(tmp_path / "gbuffers" / "0.npz", frame)
    cv2.imwrite(str(tmp_path / "images" / "0.jpg"), np.zeros((*shape, 3), np.uint8))
    for name, count in (("sapiens308", 308), ("coco17", 133), (None, 133)):
        sample = open_labelled([str(tmp_path)], name).sample(0)
        assert sample.keypoints is not None and len(sample.keypoints) == count


@pytest.mark.parametrize("change", [{"light": 1.0}, {"channels": 1.0}, {"blur": 1.0}, {"median": 1.0}, {"hole": 1.0}])
def test_what_the_pixels_may_suffer_happens_to_an_example(change: dict[str, float]) -> None:
    plain = Lessons(labelled(), TASKS, SPEC, STILL).example(0, rng())
    seen = [Lessons(labelled(), TASKS, SPEC, replace(STILL, **change)).example(0, rng(seed)) for seed in range(6)]
    assert any(not np.array_equal(image, plain[0]) for image, _, _ in seen)
    for _, target, _ in seen:  # the labels stay
        assert all(
            torch.equal(torch.as_tensor(target[n][k]), torch.as_tensor(plain[1][n][k])) for n in target for k in target[n]
        )
    black = [(image == 0).all(-1).mean() for image, _, _ in seen]
    assert (min(black) > 0.03) == ("hole" in change)


def test_backgrounds_change_as_often_as_told(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "g.png"), green(90))
    for chance, low, high in ((0.0, 0, 0), (0.5, 0.3, 0.7), (1.0, 1, 1)):
        lessons = Lessons(labelled(), TASKS[1:2], SPEC, replace(STILL, background=chance), Backdrops(tmp_path))
        changed = [(lessons.example(0, rng(seed))[0] == (0, 255, 0)).all(-1).any() for seed in range(60)]
        assert low <= np.mean(changed) <= high
