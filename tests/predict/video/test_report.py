from __future__ import annotations

import io
import sys
from typing import Any

import pytest

from vitruvian.predict.video.report import Bar, clip_words, jitter_words


def record(**video: Any) -> dict[str, Any]:
    return {
        "video": {"frames": 10, "seconds": 0.9, "notes": [], **video},
        "tracks": [{}],
        "jitter": {"predicted": 10.0, "of": 3},
    }


def test_a_clip_in_one_line() -> None:
    told = clip_words(record(notes=["turned by 90 degrees"]) | {"overlay": {"sound": "kept (aac)"}})
    assert told == "10 frames (0.90 s), 1 track, sound kept (aac), turned by 90 degrees"


def test_jitter_of_all_clips_is_weighed_by_what_was_counted() -> None:
    two = record() | {"jitter": {"predicted": 20.0, "of": 1}}
    assert jitter_words([record(), two]) == "jitter 12 px/s²"
    smooth = record() | {"jitter": {"predicted": 20.0, "smoothed": 5.0, "of": 2}}
    assert jitter_words([smooth]) == "jitter 20 px/s² as predicted, 5 smoothed"
    assert jitter_words([record() | {"jitter": {"predicted": None, "of": 0}}]) == ""


def test_who_looks_at_a_terminal_sees_frames_speed_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with Bar(True, terminal) as bar:
        bar.begin("a.mp4", 40, 100)
        bar.step(30)
        assert bar._progress is not None
        bar._progress.refresh()
    told = terminal.getvalue()
    assert "a.mp4" in told and "70/100" in told and "frames/s" in told and ":" in told


def test_nobody_looks_nothing_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with Bar(True, sys.stdout) as bar:
        bar.begin("a.mp4", 0, None)
        bar.step(3)
        bar.say("a line")
        assert bar.speed.endswith(" frames/s")
    assert capsys.readouterr().out == "a line\n"
