"""A labelled person or photo, seen anew: where the crop lies (`crops`), and what happens to its pixels (`pixels`, `backdrops`).

Labels are never touched: all geometry is one `Crop`, with which tasks make their targets from the labels as they were read.
"""

from vitruvian.data.augment.backdrops import Backdrops, outline
from vitruvian.data.augment.crops import frame_crop, person_crop
from vitruvian.data.augment.pixels import cover, photometric, soften
from vitruvian.data.augment.settings import Augment

__all__ = ["Augment", "Backdrops", "cover", "frame_crop", "outline", "person_crop", "photometric", "soften"]
