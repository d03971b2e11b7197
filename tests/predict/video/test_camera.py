from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from vitruvian.errors import InputError, UsageError
from vitruvian.predict.video.camera import PATIENCE, Camera


class FakeCapture:
    """Eight pictures of a camera, then silence. shown: what `read` gives next."""

    opened = True
    fps = 0.0

    def __init__(self, number: int) -> None:
        self.shown: Iterator[Any] = iter([np.full((32, 48, 3), (i, 0, 200), np.uint8) for i in range(8)])
        self.released = False

    def isOpened(self) -> bool:
        return self.opened

    def read(self) -> tuple[bool, Any]:
        picture = next(self.shown, None)
        return picture is not None, picture

    def get(self, what: int) -> float:
        return self.fps if what == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self.released = True


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> type[FakeCapture]:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    return FakeCapture


def camera(*seconds: float) -> Camera:
    clock = itertools.chain(seconds, itertools.count(100))
    return Camera(0, "webcam0-now", now=lambda: next(clock))


def test_pictures_come_with_the_times_of_their_arrival(capture: type[FakeCapture]) -> None:
    with camera(5.0, 5.0, 5.04, 5.04, 5.5).open() as reader:
        stills = list(itertools.islice(reader.stills(), 4))
    assert [float(still.ticks * reader.tick) for still in stills] == pytest.approx([0, 0.04, 0.04, 0.5], abs=2e-5)
    assert stills[1].ticks < stills[2].ticks, "two pictures never have one time"
    assert (reader.size, float(reader.rate), reader.count) == ((32, 48), 30, None)
    assert stills[3].pixels is not None and stills[3].pixels[0, 0].tolist() == [200, 0, 3], "RGB"


def test_a_camera_that_falls_silent_is_told(capture: type[FakeCapture]) -> None:
    with camera().open() as reader:
        assert len(list(reader.stills())) == 8
    assert reader.problem == "the camera has stopped answering"


def test_a_missing_picture_now_and_then_is_nothing(capture: type[FakeCapture], monkeypatch: pytest.MonkeyPatch) -> None:
    with camera().open() as reader:
        rest = [None] * (PATIENCE - 1) + [np.zeros((32, 48, 3), np.uint8)]
        reader._capture.shown = iter(rest)
        assert len(list(reader.stills())) == 2


def test_ctrl_c_ends_the_recording_and_not_the_run(capture: type[FakeCapture]) -> None:
    before = signal.getsignal(signal.SIGINT)
    with camera().open() as reader:
        stills = reader.stills()
        next(stills)
        os.kill(os.getpid(), signal.SIGINT)
        assert len(list(stills)) <= 1
        assert reader.problem == "" and reader.stopped
    assert signal.getsignal(signal.SIGINT) is before


def test_a_picture_of_another_size_ends_it(capture: type[FakeCapture]) -> None:
    with camera().open() as reader:
        reader._capture.shown = iter([np.zeros((64, 48, 3), np.uint8)])
        assert len(list(reader.stills())) == 1
    assert reader.problem == "its picture changed its size at frame 1"


def test_no_camera_and_no_second_time(capture: type[FakeCapture], monkeypatch: pytest.MonkeyPatch) -> None:
    with camera().open() as reader, pytest.raises(UsageError, match="cannot be resumed"):
        next(reader.stills(3))
    monkeypatch.setattr(capture, "opened", False)
    with pytest.raises(InputError, match=r"webcam:0: no camera answers\. Fix: connect it"), camera().open():
        pass


def test_opencv_says_nothing_of_a_camera_that_is_not_there(capfd: pytest.CaptureFixture[str]) -> None:
    before = cv2.utils.logging.getLogLevel()
    with pytest.raises(InputError, match="webcam:97: no camera answers"), Camera(97, "webcam97-now").open():
        pass
    assert capfd.readouterr() == ("", "")
    assert cv2.utils.logging.getLogLevel() == before
