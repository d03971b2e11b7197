"""What is put on photos and what photos are turned into: watermarks, overlaid text, drawings. Training material of curation."""

from vitruvian.synth.marks.fonts import PACKAGED, Font, font_files
from vitruvian.synth.marks.overlay import caption, lettering, watermark
from vitruvian.synth.marks.styles import STYLES, draw_as

__all__ = ["PACKAGED", "STYLES", "Font", "caption", "draw_as", "font_files", "lettering", "watermark"]
