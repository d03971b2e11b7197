"""Predictions that lie in files, judged by labels that lie in files: nothing is run, so anybody's results can be judged.

vitruvian evaluate keypoints|people|parts|depth|normal --truth ... --predictions ...
"""

from vitruvian.evaluate.results.depth import depth_figures
from vitruvian.evaluate.results.detections import detection_stats
from vitruvian.evaluate.results.keypoints import keypoint_figures
from vitruvian.evaluate.results.normal import normal_figures
from vitruvian.evaluate.results.pairs import Folders
from vitruvian.evaluate.results.parts import part_figures

__all__ = ["Folders", "depth_figures", "detection_stats", "keypoint_figures", "normal_figures", "part_figures"]
