"""Figures of a model: on real labelled photos with given boxes, and on held-out synthetic people.

vitruvian evaluate --shared ../shared/data --out docs/results/NAME [--model NAME|PATH] [--synth DIR]
"""

from vitruvian.evaluate.detection import detection_figures
from vitruvian.evaluate.figures import evaluate_photos
from vitruvian.evaluate.photos import Adapter, Predictor
from vitruvian.evaluate.synthetic import synthetic_figures

__all__ = ["Adapter", "Predictor", "detection_figures", "evaluate_photos", "synthetic_figures"]
