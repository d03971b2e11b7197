"""The yardstick of benchmarks/ says what the official code says."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from reference import official


def _model(entry, task):
    backbone, head = entry.info["backbone"], entry.info["head"]
    arch = backbone["arch"]
    model = official.Sapiens(
        task,
        head.get("out_channels", head.get("num_classes")),
        (arch["embed_dims"], arch["num_layers"], arch["num_heads"], arch["feedforward_channels"]),
        tuple(backbone["img_size"]),
        (head["deconv_out_channels"], head["conv_out_channels"]),
    )
    model.load_state_dict(entry.under("sd."), strict=True)
    return model.eval()


@pytest.mark.parametrize(
    ("name", "output"), [("pose17", "heatmaps"), ("seg28", "logits"), ("depth", "logits"), ("normal", "logits")]
)
def test_models(golden, parity, name, output):
    entry = golden(name)
    with torch.inference_mode():
        parity.close(_model(entry, name.rstrip("0123456789"))(entry["in.x"]), entry[f"out.{output}"], what=output)


def test_decode(golden, parity):
    entry = golden("codec")
    small, big = entry.info["small"], entry.info["big"]
    for info, source, target in ((small, "in.decode", "out.decode"), (big, "in.big.decode", "out.big.decode")):
        points, scores = official.decode(entry[source].numpy(), tuple(reversed(info["input_size"])))
        parity.close(points, entry[f"{target}.keypoints"][0], what=source)
        parity.close(scores, entry[f"{target}.scores"][0], what=source)


def test_crop(golden):
    entry = golden("crop")
    official_crops = zip(entry["out.center"], entry["out.scale_fixed"], entry["out.udp_matrix"], strict=True)
    for box, (center, scale, matrix) in zip(entry["in.boxes_xyxy"].tolist(), official_crops, strict=True):
        ours = official.box_to_center_scale(box, (1024, 768))
        np.testing.assert_allclose(ours[0], center, rtol=1e-5)
        np.testing.assert_allclose(ours[1], scale, rtol=1e-5)
        np.testing.assert_allclose(official.udp_matrix(*ours, (1024, 768)), matrix, rtol=1e-5, atol=1e-4)
