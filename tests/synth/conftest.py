"""Lets tests, and the worker processes they start, import the hand-made shapes of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
