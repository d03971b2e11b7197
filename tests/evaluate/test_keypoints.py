"""Key point figures against hand-computed ones, pycocotools and the shared fixtures."""

import json
from dataclasses import replace

import numpy as np
import pytest
from made_people import person, subject

from vitruvian.evaluate.figures import keypoint_rows
from vitruvian.evaluate.keypoints import hits, in_box, mean_pose, oks_ap, other_photos_pose, pck, placed
from vitruvian.tasks.pose.metric import nearer
from vitruvian.tasks.seg import SegMetric


def shifted(sample, distance):
    """The truth moved right by `distance` px per point."""
    return sample.keypoints[:, :2] + np.stack([np.asarray(distance) * np.ones(17), np.zeros(17)], 1)


def test_pck_counts_labelled_points_within_a_tenth_of_the_longer_side():
    sample = person(labelled=10)  # longer side 200: 20 px are near
    distance = np.where(np.arange(17) < 4, 19.9, 20.1)
    found = subject(sample, xy=shifted(sample, distance))
    figures = pck([found], [found.points])
    assert figures["pck"] == 0.4
    assert figures["points"] == 10
    assert figures["per_point"]["nose"] == 1
    assert figures["per_point"]["left_wrist"] == 0
    assert np.isnan(figures["per_point"]["left_ankle"])


def test_who_qualifies():
    assert subject(person(labelled=12)).qualifies
    assert not subject(person(labelled=11)).qualifies
    assert not subject(person(box=(10, 10, 100, 159))).qualifies
    assert subject(person(box=(10, 10, 100, 160))).qualifies


def test_a_missing_point_is_not_near():
    found = subject(person())
    near, labelled = hits(found, np.full((17, 2), np.nan))
    assert not near.any()
    assert labelled.all()


def test_mean_pose_leaves_the_photo_out():
    subjects = [subject(person(seed), name=f"{seed // 2}.jpg") for seed in range(6)]
    poses = other_photos_pose(subjects)
    expected = np.mean([in_box(s) for s in subjects[2:]], axis=0)
    np.testing.assert_allclose(poses[0][0], placed(expected, subjects[0])[0])
    np.testing.assert_allclose(poses[0][0], poses[1][0])  # the same box, the same photo
    assert np.isnan(mean_pose([np.full((17, 2), np.nan)])).all()


def test_rows_compare_with_the_stronger_baseline():
    subjects = [subject(person(seed), name=f"{seed}.jpg", group="ab"[seed % 2]) for seed in range(8)]
    rows = keypoint_rows(subjects, mean=np.full((17, 2), 0.5))
    row = rows["qualifying"]["together"]
    assert set(rows["all"]) == {"a", "b", "together"}
    assert row["pck"] == 1
    assert row["gain"] == pytest.approx(1 - max(b["pck"] for b in row["baselines"].values()))
    assert set(row["baselines"]) == {"mean_other_photos", "mean_synthetic"}
    assert row["ap"]["AP"] == pytest.approx(1)


def test_ap_falls_with_distance_and_needs_areas():
    pytest.importorskip("pycocotools")
    near = [subject(person(seed), name=f"{seed}.jpg") for seed in range(4)]
    far = [subject(s.truth, name=s.photo.file, xy=shifted(s.truth, 15)) for s in near]
    assert oks_ap(near, [s.points for s in near])["AP"] == pytest.approx(1)
    assert oks_ap(far, [s.points for s in far])["AP"] < 0.8
    bare = subject(replace(near[0].truth, area=None))
    assert oks_ap([bare], [bare.points]) is None


def test_the_small_pck_fixture(data):
    cases = json.loads((data / "fixtures/mmeval_small/pck.json").read_text())
    for case in cases:  # by box, head and torso: the size alone differs
        kind, threshold = case["metric_kwargs"]["norm_item"], case["metric_kwargs"]["thr"]
        points = np.zeros((17, 3), np.float32)
        points[:4, :2], points[:4, 2] = case["groundtruth"]["coords"][0], 2
        found = np.zeros((17, 2))
        found[:4] = case["prediction"]["coords"][0]
        size = case["groundtruth"][f"{kind}_size"][0]
        one = subject(replace(person(), box=np.array([0, 0, *size], np.float32), keypoints=points))
        (expected,) = case["expected"].values()
        assert pck([one], [(found, np.ones(17))], threshold)["pck"] == pytest.approx(expected), kind


def test_the_small_auc_and_epe_fixture(data):
    case = json.loads((data / "fixtures/mmeval_small/auc_epe.json").read_text())
    seen = np.array(case["visible"], bool)
    distance = np.linalg.norm(np.array(case["output"], float) - case["target"], axis=1)[seen]
    auc, epe = case["expected"].values()
    assert nearer(distance, 20, 4).mean() / seen.sum() == pytest.approx(auc)
    assert distance.mean() == pytest.approx(epe)


def test_the_small_iou_fixture(data):
    case = json.loads((data / "fixtures/mmeval_small/mean_iou.json").read_text())
    metric = SegMetric("body28")
    metric.add(np.array(case["pred"]), np.array(case["label"]))
    figures = metric.compute()
    for ours, theirs in (("miou", "mIoU"), ("macc", "mAcc"), ("aacc", "aAcc")):
        assert figures[ours] == pytest.approx(case["expected"][theirs]), theirs
