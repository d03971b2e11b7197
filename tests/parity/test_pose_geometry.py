"""The heatmap codec and the crop against the official ones."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from vitruvian.geometry import box_center_scale, fix_aspect, make_crop, udp_matrix, warp
from vitruvian.tasks.pose import official_to_exact
from vitruvian.tasks.pose.codec import decode_heatmaps, encode_heatmaps
from vitruvian.types import Crop


def _sizes(info):
    return (tuple(reversed(info["input_size"])), tuple(reversed(info["heatmap_size"])), float(info["sigma"]))


def _points(entry, name):
    return entry[f"{name}.keypoints"][0].numpy(), entry[f"{name}.scores"][0].numpy()


def test_encode(golden, parity):
    entry = golden("codec")
    size, heatmap, sigma = _sizes(entry.info["small"])
    points, visible = entry["in.keypoints"][0].numpy(), entry["in.visible"][0].numpy() > 0
    maps, weights = encode_heatmaps(points, visible, size, heatmap, sigma)
    parity.close(maps, entry["out.heatmaps"], what="heatmaps")
    parity.close(weights, entry["out.weights"][0], what="weights")


def test_encode_at_full_size_and_back(golden, parity):
    entry = golden("codec")
    size, heatmap, sigma = _sizes(entry.info["big"])
    points = entry["in.big.keypoints"][0].numpy()
    maps, weights = encode_heatmaps(points, np.ones(len(points), bool), size, heatmap, sigma)
    parity.close(maps, entry["out.big.heatmaps"], what="heatmaps")
    parity.close(weights, entry["out.big.weights"][0], what="weights")
    for heatmaps, name in ((maps, "out.big.roundtrip"), (entry["in.big.decode"].numpy(), "out.big.decode")):
        xy, score = decode_heatmaps(torch.from_numpy(heatmaps), size, "official")
        official_xy, official_score = _points(entry, name)
        parity.close(xy, official_xy, what=name)
        parity.close(score, official_score, what=name)


def test_decode(golden, parity):
    entry = golden("codec")
    size, _, _ = _sizes(entry.info["small"])
    xy, score = decode_heatmaps(entry["in.decode"], size, "official")
    official_xy, official_score = _points(entry, "out.decode")
    parity.close(xy, official_xy, what="points")
    parity.close(score, official_score, what="scores")


def test_decode_without_a_positive_peak(golden, parity):
    """Officially (-1, -1) and then a step read from the wrong place, or NaN. Ours is (-1, -1) without a step: only the
    scores can be compared, and the place is the one that the official rule names."""
    entry = golden("codec")
    size, (rows, cols), _ = _sizes(entry.info["small"])
    negative = entry["in.decode_negative"]
    xy, score = decode_heatmaps(negative, size, "official")
    before = np.tile([-size[1] / (cols - 1), -size[0] / (rows - 1)], (len(xy), 1))
    np.testing.assert_allclose(xy, before, rtol=1e-9)
    parity.close(score, _points(entry, "out.decode_negative")[1], what="scores")
    xy, score = decode_heatmaps(torch.zeros_like(negative), size, "official")
    np.testing.assert_allclose(xy, before, rtol=1e-9)
    assert (score == 0).all()


INPUT = (1024, 768)


def test_crop_matrices_and_points(golden):
    entry = golden("crop")
    boxes, rotations = entry["in.boxes_xyxy"].numpy(), entry["in.rotations"].numpy()
    center, scale = box_center_scale(boxes)
    fixed = fix_aspect(scale, INPUT[1] / INPUT[0])
    _near(center, entry["out.center"])
    _near(scale, entry["out.scale_padded"])
    _near(fixed, entry["out.scale_fixed"])
    for i, box in enumerate(boxes):
        _near(make_crop(box, INPUT, INPUT).matrix, entry["out.udp_matrix"][i])
        _near(make_crop(box, INPUT, INPUT, rotation=rotations[i]).matrix, entry["out.udp_matrix_rotated"][i])
        crop = make_crop(box, INPUT, INPUT)
        back = crop.points_to_source(entry["in.pred"][0].numpy() * official_to_exact(INPUT))
        _near(back, entry["out.pred_in_image"][i])


def test_the_official_way_back_undoes_the_crop_that_is_not_udp(golden):
    """Official heatmap points count the full size, not size - 1: what takes them back is the inverse of the plain matrix."""
    entry = golden("crop")
    to_exact = official_to_exact(INPUT)
    for box, plain in zip(entry["in.boxes_xyxy"].numpy(), entry["out.plain_matrix"], strict=True):
        crop = make_crop(box, INPUT, INPUT)
        _near(crop.matrix / np.reshape(to_exact, (2, 1)), plain)


@pytest.mark.parametrize(
    ("rotation", "points", "warped"), [(0, "keypoints", "warped"), (30, "keypoints_rot30", "warped_rot30")]
)
def test_crop_pixels(golden, rotation, points, warped):
    entry = golden("crop")
    image, official = entry["in.image"].numpy(), entry[f"out.{warped}"].numpy()
    # the box of this case stands in the entry's note alone
    centre, extent = re.search(r"centre \(([\d., ]+)\), scale \(([\d., ]+)\)", entry.info["note"]).groups()
    size = official.shape[:2]
    padded = np.array(extent.split(","), np.float32) * np.float32(1.25)
    scale = fix_aspect(padded, size[1] / size[0])
    _near(scale, entry["out.bbox_scale"][0])
    crop = Crop(udp_matrix(np.array(centre.split(","), np.float32), scale, size, rotation), size, image.shape[:2])
    _near(crop.points_to_input(entry["in.keypoints"][0].numpy()), entry[f"out.{points}"][0])
    gap = np.abs(warp(image, crop).astype(int) - official.astype(int))
    assert gap.max() <= 3
    assert gap.mean() <= 0.15


def _near(ours, official):
    """Within 1e-5, or within one step of float32 at the largest value: the official matrices are rounded to it."""
    official = np.asarray(official)
    limit = max(1e-5, float(np.spacing(np.float32(np.abs(official).max()))))
    assert np.abs(np.asarray(ours, np.float64) - official.astype(np.float64)).max() <= limit
