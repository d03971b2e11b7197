"""How this package came here, and what brings its files back."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

NAME = "vitruvian"
EMBEDDED = "src/vitruvian/weights/embedded"


def reinstall() -> str:
    """The command that makes this installation whole: by name where an index has the package, else from where it came."""
    origin = _origin()
    address = str(origin.get("url", ""))
    folder = url2pathname(urlsplit(address).path)
    if origin.get("dir_info", {}).get("editable"):
        return f"git -C {folder} checkout -- {EMBEDDED}, or get a fresh copy and run pip install --force-reinstall -e . in it"
    if "dir_info" in origin:
        return f"pip install --force-reinstall --no-deps {folder}"
    vcs = origin.get("vcs_info", {}).get("vcs")
    place = f' "{NAME} @ {vcs + "+" if vcs else ""}{address}"' if address else f" {NAME}"
    return f"pip install --force-reinstall --no-deps{place}"


def _origin() -> dict[str, Any]:
    """What the installer noted of an installation from elsewhere than an index; empty of one by name."""
    try:
        return dict(json.loads(distribution(NAME).read_text("direct_url.json") or "{}"))
    except (PackageNotFoundError, ValueError):
        return {}
