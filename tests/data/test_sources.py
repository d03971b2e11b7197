"""Readers, on small files written here and on the shared photos."""

import json
import pickle
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from vitruvian.data.masks import decode_rle, fill_polygon, mask_of
from vitruvian.data.sources import Coco, Folder, Synthetic, named_points, read_image
from vitruvian.errors import InputError, UsageError
from vitruvian.vocab import skeleton

sys.path.insert(0, str(Path(__file__).parent))
from coco_files import NAMES, write_coco


def test_a_coco_photo_is_read_with_its_person_and_its_crowd(tmp_path):
    (record,) = write_coco(tmp_path)
    (person,) = record.people
    assert record.size == (10, 20)
    assert person.image[0, 0].tolist() == [30, 20, 10]
    assert person.box.tolist() == [2, 1, 8, 9]
    assert person.mask.sum() == 48
    assert person.mask[1:9, 2:8].all()
    assert person.keypoints[0].tolist() == [4, 3, 2]
    assert person.keypoints[5].tolist() == [6, 5, 1]
    assert person.keypoints[:, 2].sum() == 3
    assert record.ignore[0].sum() == 4
    assert record.ignore[0][:4, 10].all()


def test_points_are_found_by_name():
    points = np.array([[1, 2, 2], [3, 4, 1], [5, 6, 2], [7, 8, 0]])
    out = named_points(points, ["Left-Ankle", "nose", "head top", "Right wrist"], "coco17")
    assert out[NAMES.index("left_ankle")].tolist() == [1, 2, 2]
    assert out[0].tolist() == [3, 4, 1]
    assert not out[NAMES.index("right_wrist")].any()
    assert out[:, 2].sum() == 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["images"][0].update(width=21), "21x10"),
        (lambda d: d["annotations"][0].pop("bbox"), "annotation 7"),
        (lambda d: d["annotations"][0]["keypoints"].pop(), "annotation 7"),
        (lambda d: d["annotations"][1]["segmentation"].update(counts=[100, 4]), "annotation 8"),
        (lambda d: d["images"][0].update(file_name="b.png"), "b.png"),
    ],
)
def test_damaged_entries_are_named(tmp_path, change, words):
    source = write_coco(tmp_path, change)
    with pytest.raises(InputError, match=words):
        source[0]


@pytest.mark.parametrize("name", ["id", "file_name"])
def test_a_photo_without_its_number_or_name(tmp_path, name):
    with pytest.raises(InputError, match="images: entry 0 has no id or no file_name"):
        write_coco(tmp_path, lambda d: d["images"][0].pop(name))


def test_files_that_are_no_coco_are_refused(tmp_path):
    (tmp_path / "x.json").write_text('{"images": []}')
    (tmp_path / "y.json").write_text('{"images": [')
    for name in ("x.json", "y.json", "absent.json"):
        with pytest.raises(InputError, match=name):
            Coco(tmp_path / name, tmp_path)


def test_a_polygon_holds_the_pixels_whose_centres_it_holds():
    square = np.array([[0.5, 0.5], [3.5, 0.5], [3.5, 2.5], [0.5, 2.5]])
    assert np.argwhere(fill_polygon(square, (5, 6))).tolist() == [[y, x] for y in (1, 2) for x in (1, 2, 3)]
    beyond = np.array([[-9, -9], [99, -9], [99, 99], [-9, 99]])
    assert fill_polygon(beyond, (5, 6)).all()
    assert mask_of(None, (4, 4)) is None


def test_run_lengths_agree_with_pycocotools():
    coder = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for share in (0.0, 0.1, 0.5, 1.0):
        mask = cv2.blur(rng.random((61, 47)), (7, 7)) < share
        code = coder.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert np.array_equal(decode_rle(code), mask)
        assert np.array_equal(decode_rle({**code, "counts": code["counts"].decode()}), mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools under numpy 2
def test_shared_photos_agree_with_pycocotools(shared):
    coder = pytest.importorskip("pycocotools.mask")
    path = shared / "data/coco/annotations/person_keypoints.json"
    source = Coco(path, path.parents[1])
    entries = {entry["id"]: entry for entry in json.loads(path.read_text())["annotations"]}
    for i in range(0, len(source), 9):
        record = source[i]
        for person in record.people:
            raw = entries[int(person.key.split("/")[1])]["segmentation"]
            true = coder.decode(coder.merge(coder.frPyObjects(raw, *record.size))) > 0
            assert (true ^ person.mask).sum() <= 3 + true.sum() ** 0.5  # about a pixel along a quarter of the outline


def test_whole_body_labels_are_read(shared):
    folder = shared / "data/mmpose_coco"
    people = [p for r in Coco(folder / "annotations/test_coco_wholebody.json", folder, "wholebody133") for p in r.people]
    assert [int((p.keypoints[:, 2] > 0).sum()) for p in people] == [112, 106, 83, 0]
    assert set(np.unique(people[0].keypoints[23:, 2])) <= {0, 2}


def test_a_folder_of_photos(tmp_path):
    (tmp_path / "deep").mkdir()
    cv2.imwrite(str(tmp_path / "deep/b.jpg"), np.zeros((6, 8, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((5, 7, 3), np.uint8))
    (tmp_path / "note.txt").write_text("no photo")
    records = list(Folder(tmp_path))
    assert [(record.size, record.people) for record in records] == [((5, 7), ()), ((6, 8), ())]
    with pytest.raises(UsageError, match="not a folder"):
        Folder(tmp_path / "a.png")


def test_no_image_is_no_image(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_bytes(b"text")
    for name in ("a.png", "b.png", "c.png"):
        with pytest.raises(InputError, match=name):
            read_image(tmp_path / name)


def test_a_synthetic_folder(tmp_path):
    from vitruvian.data.gbuffer import GBuffer, SynthPerson, write_gbuffer

    person = np.zeros((12, 8), np.uint8)
    person[3:9, 2:6] = 1
    nothing = np.full((12, 8, 3), np.nan, np.float32)
    who = SynthPerson(np.array([2, 3, 5, 8], np.float32), np.zeros((133, 3)), np.zeros((308, 3)), {"framing": "full"})
    depth = np.where(person > 0, 2.0, np.nan).astype(np.float32)
    vectors = np.where(person[..., None] > 0, np.array([0, 0, -1.0]), nothing).astype(np.float32)
    frame = GBuffer(person, person, person, depth, vectors, vectors, np.eye(3), (who,), "k")
    for name in ("gbuffers", "images"):
        (tmp_path / name).mkdir()
    write_gbuffer(tmp_path / "gbuffers/000000.npz", frame)
    source = Synthetic(tmp_path)
    with pytest.raises(InputError, match="no drawn picture"):
        source[0]
    cv2.imwrite(str(tmp_path / "images/000000.jpg"), np.zeros((12, 8, 3), np.uint8))
    (record,) = source
    assert record.people[0].mask.sum() == 24
    assert source.frame(0).people[0].info == {"framing": "full"}
    with pytest.raises(InputError, match="no synthetic frames"):
        Synthetic(tmp_path / "images")


def test_people_to_train_on_are_numbered(tmp_path):
    def more(document):
        first = document["annotations"][0]
        nobody = {**first, "id": 10, "keypoints": [0] * 51}
        thin = {**first, "id": 11, "bbox": [1, 1, 0, 5]}
        crowd = {**first, "id": 13, "iscrowd": 1}  # with points, which a crowd should not have
        document["annotations"] += [nobody, thin, {**first, "id": 12}, crowd]

    source = write_coco(tmp_path, more)
    assert source.samples == 2 and len(source[0].people) == 4
    assert [source.sample(n).key for n in range(2)] == ["a.png/7", "a.png/12"]
    assert pickle.loads(pickle.dumps(source)).sample(1).keypoints[0].tolist() == [4, 3, 2]


def test_what_no_photo_shows_is_a_problem(tmp_path):
    def spoil(document):
        document["annotations"][0]["image_id"] = 5
        document["images"].append(document["images"][0])

    source = write_coco(tmp_path, spoil)
    assert [text.split("a.json: ")[1] for text in source.problems] == [
        "images: the id 1 occurs 2 times", "annotation 7: image_id 5 is not among its images",
    ]  # fmt: skip


def test_a_skeleton_of_ones_own_reads_its_points_by_name(tmp_path):
    path = tmp_path / "own.toml"
    rows = [f'{{ name = "{name}" }}' for name in ("Right-Wrist", "left_eye", "tail")]
    path.write_text(f'name = "own3"\nkeypoints = [{", ".join(rows)}]')
    write_coco(tmp_path, lambda d: d["annotations"][0]["keypoints"].__setitem__(slice(30, 33), [9, 8, 2]))
    source = Coco(tmp_path / "a.json", tmp_path, str(path))
    assert source.absent == ("tail",) and source.sample(0).skeleton == "own3"
    assert source.sample(0).keypoints.tolist() == [[9, 8, 2], [0, 0, 0], [0, 0, 0]]
    with pytest.raises(InputError, match=r"a.json: its points \(nose, .* are none of .*own.toml \(horn, ...\)"):
        path.write_text('name = "own1"\nkeypoints = [{ name = "horn" }]')
        Coco(tmp_path / "a.json", tmp_path, str(path))


def test_points_without_names_are_in_the_skeletons_order(tmp_path):
    source = write_coco(tmp_path, lambda d: d["categories"][0].pop("keypoints"))
    assert source.sample(0).keypoints[5].tolist() == [6, 5, 1]
    write_coco(tmp_path, lambda d: (d["categories"][0].pop("keypoints"), d["annotations"][0]["keypoints"].pop()))
    with pytest.raises(InputError, match="annotation 7"):
        Coco(tmp_path / "a.json", tmp_path).sample(0)


def goliath(whole):
    """Edits a document into the public schema of 308 points; point i lies at (i, 1)."""
    names = skeleton("sapiens308")
    points = np.stack([np.arange(308), np.ones(308), np.ones(308)], 1)

    def change(document):
        entry = document["annotations"][0]
        entry["keypoints"] = points[list(names.groups["body"])].ravel().tolist()
        if whole:
            entry["goliath_wholebody_kpts"] = points.ravel().tolist()
            return
        parts = {"foot": "foot_kpts", "face": "face_kpts", "left_hand": "lefthand_kpts", "right_hand": "righthand_kpts"}
        for group, field in parts.items():
            entry[field] = points[list(names.groups[group])].ravel().tolist()

    return change


@pytest.mark.parametrize("whole", [True, False])
def test_the_public_schema_of_308_points(tmp_path, whole):
    write_coco(tmp_path, goliath(whole))
    points = Coco(tmp_path / "a.json", tmp_path, "sapiens308").sample(0).keypoints
    names = skeleton("sapiens308")
    extra = [] if whole else list(names.groups["extra"])  # no part of the schema holds them
    labelled = np.setdiff1d(np.arange(308), extra)
    assert (points[labelled, 0] == labelled).all() and not points[extra].any()
    assert (points[list(names.groups["face"]), 2] == 2).all() and points[names.index("left_wrist"), 2] == 1


def test_the_308_points_have_the_ids_of_the_table(tmp_path, shared):
    table = json.loads((shared / "tables/keypoints308.json").read_text())
    write_coco(tmp_path, goliath(True))
    points = Coco(tmp_path / "a.json", tmp_path, "sapiens308").sample(0).keypoints
    names = skeleton("sapiens308").names
    assert all(points[names.index(row["name"]), 0] == row["id"] for row in table["keypoints"])


def test_shared_files_are_read_person_by_person(shared):
    folder = shared / "data/mmpose_coco"
    source = Coco(folder / "annotations/test_coco_wholebody.json", folder, "wholebody133")
    assert source.samples == 3 and not source.problems  # the fourth person has no labelled point
    photos = shared / "data/coco"
    coco = Coco(photos / "annotations/person_keypoints.json", photos)
    assert coco.samples > 30 and coco.sample(coco.samples - 1).keypoints[:, 2].max() > 0
