"""Makes `tiny_training` importable here, in the worker processes and as a script."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
