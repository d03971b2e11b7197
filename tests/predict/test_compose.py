from __future__ import annotations

import numpy as np

from vitruvian.geometry import make_crop
from vitruvian.predict.compose import compose
from vitruvian.types import Array, Classes, Depth, Normals, Person, Prediction

SIZE = (80, 100)
INPUT = (64, 48)
Found = tuple[Person, dict[str, Prediction]]


def person_at(box: tuple[float, ...], values: dict[str, object], score: float = 1.0) -> Found:
    person = Person(np.array(box, np.float32), score)
    crop = make_crop(person.box, INPUT, SIZE)
    return person, {task: Prediction(person, crop, task, "x", value) for task, value in values.items()}  # type: ignore[arg-type]


def seg(rows: slice = slice(16, 48), columns: slice = slice(12, 36), part: int = 22, score: float = 0.9) -> Classes:
    """A block of one part in the middle of the crop."""
    ids = np.zeros(INPUT, np.uint8)
    ids[rows, columns] = part
    return Classes(ids, np.full(INPUT, score, np.float32), "body28")


def ramp(low: float, high: float) -> Depth:
    return Depth(np.repeat(np.linspace(low, high, INPUT[0], dtype=np.float32)[:, None], INPUT[1], 1))


def facing(x: float = 0.0) -> Normals:
    n: Array = np.zeros((*INPUT, 3), np.float32)
    n[...] = np.array([x, 0, -1]) / np.hypot(x, 1)
    return Normals(n)


def test_nobody_gives_empty_maps() -> None:
    frame = compose([], SIZE)
    assert frame.owner.shape == SIZE
    assert not frame.owner.any()
    assert frame.parts is None and frame.depth is None and frame.normals is None


def test_maps_lie_where_the_person_is_and_are_nan_elsewhere() -> None:
    frame = compose([person_at((30, 20, 60, 60), {"seg": seg(), "depth": ramp(2, 5), "normal": facing()})], SIZE)
    assert frame.parts is not None and frame.depth is not None and frame.normals is not None
    assert frame.owner[40, 45] == 1 and frame.parts.ids[40, 45] == 22
    assert (frame.parts.ids[:5] == 0).all()
    seen = frame.owner > 0
    assert (np.isfinite(frame.depth.z) == seen).all()
    assert (np.isfinite(frame.normals.n).all(-1) == seen).all()
    np.testing.assert_allclose(frame.normals.n[seen], np.broadcast_to([0, 0, -1], (seen.sum(), 3)), atol=1e-6)


def test_relative_depth_runs_from_0_to_1_in_each_person_on_their_own() -> None:
    near = person_at((5, 20, 35, 60), {"seg": seg(), "depth": ramp(-3, -1)})
    far = person_at((60, 20, 90, 60), {"seg": seg(), "depth": ramp(100, 200)})
    frame = compose([near, far], SIZE)
    assert frame.depth is not None
    for number in (1, 2):
        z = frame.depth.z[frame.owner == number]
        assert z.min() == 0 and z.max() == 1
    (first, second) = frame.ranges
    assert first is not None and -3 < first[0] < first[1] < -1
    assert second is not None and 100 < second[0] < second[1] < 200


def test_metric_depth_keeps_its_metres() -> None:
    metres = Depth(np.full(INPUT, 3.5, np.float32), "metric", "m")
    frame = compose([person_at((30, 20, 60, 60), {"seg": seg(), "depth": metres})], SIZE)
    assert frame.depth is not None and (frame.depth.kind, frame.depth.unit) == ("metric", "m")
    np.testing.assert_allclose(frame.depth.z[frame.owner == 1], 3.5, rtol=1e-6)


def test_the_background_of_a_crop_does_not_bleed_into_the_person() -> None:
    mask = seg()
    z = np.where(mask.ids > 0, 1.0, 1000.0).astype(np.float32)
    frame = compose([person_at((30, 20, 60, 60), {"seg": mask, "depth": Depth(z, "metric", "m")})], SIZE)
    assert frame.depth is not None
    np.testing.assert_allclose(frame.depth.z[frame.owner == 1], 1.0, rtol=1e-5)


def test_the_surer_person_owns_a_pixel() -> None:
    everywhere = (slice(None), slice(None))
    weak = person_at((30, 20, 60, 60), {"seg": seg(*everywhere, part=3, score=0.6)})
    sure = person_at((30, 20, 60, 60), {"seg": seg(*everywhere, part=5, score=0.9)})
    for order, owner in (([weak, sure], 2), ([sure, weak], 1)):
        frame = compose(order, SIZE)
        assert frame.parts is not None
        assert frame.owner[40, 45] == owner and frame.parts.ids[40, 45] == 5


def test_a_neighbour_seen_in_a_crop_belongs_to_their_own_box() -> None:
    everywhere = (slice(None), slice(None))
    left = person_at((20, 20, 50, 60), {"seg": seg(*everywhere, part=3, score=0.95)})
    right = person_at((50, 20, 80, 60), {"seg": seg(*everywhere, part=5, score=0.7)})
    frame = compose([left, right], SIZE)
    assert frame.owner[40, 45] == 1
    assert frame.owner[40, 52] == 2, "the left crop reaches over here and is surer, but it is not its box"


def test_without_parts_boxes_say_where_people_are() -> None:
    frame = compose([person_at((30, 20, 60, 60), {"depth": ramp(0, 1)})], SIZE)
    assert (frame.mask, frame.parts) == ("boxes", None)
    rows, columns = np.nonzero(frame.owner)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (20, 59, 30, 59), "30 x 40 px, as the box says"


def test_a_crop_that_leaves_the_photo_is_cut() -> None:
    frame = compose([person_at((80, 60, 100, 80), {"seg": seg(), "depth": ramp(0, 1)})], SIZE)
    assert frame.owner[70, 90] == 1


def test_a_mirrored_crop_comes_back_unmirrored() -> None:
    person = Person(np.array([30, 20, 60, 60], np.float32))
    plain = make_crop(person.box, INPUT, SIZE)
    mirrored = type(plain)(plain.matrix, plain.size, plain.source_size, flipped=True)
    value = seg(columns=slice(0, 24))
    frame = compose([(person, {"seg": Prediction(person, mirrored, "seg", "x", value)})], SIZE)
    columns = np.nonzero(frame.owner.any(0))[0]
    assert columns.min() >= 44, "the left half of a mirrored crop is the right half of the photo's window"


def whole(**values: object) -> dict[str, Prediction]:
    """What a model said of the whole frame, squashed to its input."""
    person = Person(np.array([0, 0, SIZE[1], SIZE[0]], np.float32), origin="whole-image")
    crop = make_crop(person.box, INPUT, SIZE, "stretch")
    return {task: Prediction(person, crop, task, "x", value) for task, value in values.items()}  # type: ignore[arg-type]


def test_parts_of_the_whole_frame_belong_to_the_boxes_they_lie_in() -> None:
    people: list[Found] = [(Person(np.array(box, np.float32)), {}) for box in ((0, 0, 40, 80), (30, 0, 60, 80))]
    everywhere = seg(slice(None), slice(None))
    frame = compose(people, SIZE, whole(seg=everywhere, depth=ramp(2, 5), normal=facing()))
    assert frame.parts is not None and (frame.parts.ids == 22).all() and frame.mask == "parts"
    assert [frame.owner[40, x] for x in (10, 35, 50, 80)] == [1, 1, 2, 0]
    assert frame.depth is not None and frame.normals is not None
    assert np.isfinite(frame.depth.z).all() and np.isfinite(frame.normals.n).all()
    assert frame.whole_depth and frame.depth.z.min() == 0 and frame.depth.z.max() == 1
    ((near, far),) = (ends for ends in frame.ranges if ends)
    assert 2 <= near < 2.1 and 4.9 < far <= 5


def test_depth_of_the_whole_frame_is_told_where_parts_are_and_without_parts_everywhere() -> None:
    masked = compose([], SIZE, whole(seg=seg(), depth=ramp(2, 5)))
    assert masked.depth is not None and masked.parts is not None
    assert (np.isfinite(masked.depth.z) == (masked.parts.ids > 0)).all() and not masked.owner.any()
    bare = compose([], SIZE, whole(depth=ramp(2, 5)))
    assert bare.mask == "frame" and bare.depth is not None and np.isfinite(bare.depth.z).all()


def test_parts_of_one_model_mask_the_depth_of_another() -> None:
    person, said = person_at((30, 20, 60, 60), {"depth": Depth(np.full(INPUT, 3.0, np.float32), "metric", "m")})
    frame = compose([(person, said)], SIZE, whole(seg=seg(slice(None), slice(None))))
    assert frame.depth is not None
    assert (np.isfinite(frame.depth.z) == (frame.owner == 1)).all() and frame.owner[40, 45] == 1
    np.testing.assert_allclose(frame.depth.z[frame.owner == 1], 3.0, rtol=1e-5)
