"""A model judged by the paper's whole protocol on any data set: boxes, crop, flip test, decoding, suppression, figures.

vitruvian evaluate --task pose|seg|depth|normal --model NAME|FILE --data SOURCE
"""

from vitruvian.evaluate.protocol.command import judge, run
from vitruvian.evaluate.protocol.wanted import Wanted

__all__ = ["Wanted", "judge", "run"]
