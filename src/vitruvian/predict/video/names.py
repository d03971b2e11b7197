"""What videos are called, and the files made of one."""

from __future__ import annotations

EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv"}
)
ENDINGS = {"overlay": "overlay.mp4", "frames": "frames.jsonl", "tracks": "tracks.csv", "record": "json"}
CAMERA = "webcam:"  # as in webcam:0, the first camera
