"""Appearance, drawn anew for every view from a G-buffer: light, skin, cloth, hair, surroundings, camera.

`draw` makes a picture of a frame or of a crop of it; `view` makes a training sample with labels to match.
"""

from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.appearance.compose import draw
from vitruvian.synth.appearance.view import ViewParams, people_in_sight, view

__all__ = ["Backgrounds", "ViewParams", "draw", "people_in_sight", "view"]
