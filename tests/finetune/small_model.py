"""A model of four tasks that takes milliseconds."""

from __future__ import annotations

from vitruvian.types import HeadSpec, ModelSpec

HEADS = (
    HeadSpec("pose", (16,), out=17, vocabulary="coco17", kind="shuffle", options={"activation": "softmax"}),
    HeadSpec("seg", (16,), out=28, vocabulary="body28", kind="shuffle"),
    HeadSpec("depth", (16,), out=1, kind="shuffle"),
    HeadSpec("normal", (16,), out=3, kind="shuffle"),
)
SPEC = ModelSpec("small", (64, 48), 32, 3, 2, 64, HEADS, patch=8, sigma=1.5, resample="area", licence="Apache-2.0")
