"""From a photo to its people: `load("vitruvian-s").predict("photo.jpg")`."""

from vitruvian.predict.compose import Frame
from vitruvian.predict.detect import DETECTORS
from vitruvian.predict.files import predict_files
from vitruvian.predict.images import Photo, read_photo
from vitruvian.predict.outcome import Options, Outcome
from vitruvian.predict.pipeline import DEFAULT_MODEL, Predictor, load
from vitruvian.predict.result import ImageResult, PersonResult, Provenance
from vitruvian.predict.sources import Source, find_sources

__all__ = [
    "DEFAULT_MODEL",
    "DETECTORS",
    "Frame",
    "ImageResult",
    "Options",
    "Outcome",
    "PersonResult",
    "Photo",
    "Predictor",
    "Provenance",
    "Source",
    "find_sources",
    "load",
    "predict_files",
    "read_photo",
]
