"""Figures of a model, boxes given: on your own labels by group, on held-out synthetic people, on the shared labelled photos.

vitruvian evaluate --out DIR [--coco FILE] [--synth DIR] [--shared DIR] [--model NAME|PATH]
"""

from vitruvian.evaluate.detection import detection_figures
from vitruvian.evaluate.figures import evaluate_photos
from vitruvian.evaluate.hold_out import HoldOut, judge
from vitruvian.evaluate.own import OwnPhotos
from vitruvian.evaluate.photos import Adapter, Predictor
from vitruvian.evaluate.synthetic import synthetic_figures

__all__ = [
    "Adapter", "HoldOut", "OwnPhotos", "Predictor", "detection_figures", "evaluate_photos", "judge", "synthetic_figures",
]  # fmt: skip
