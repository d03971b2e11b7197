"""What repeats every step: one loop for pretraining and fine-tuning, with exact resume."""

from vitruvian.train.checkpoint import read_weights
from vitruvian.train.config import TrainConfig
from vitruvian.train.log import read_log
from vitruvian.train.loop import Result, train

__all__ = ["Result", "TrainConfig", "read_log", "read_weights", "train"]
