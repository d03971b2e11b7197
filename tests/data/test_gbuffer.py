"""Frames of geometry on disk."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from vitruvian.data.gbuffer import GBuffer, SynthPerson, read_gbuffer, unpack, write_gbuffer
from vitruvian.errors import InputError


def frame() -> GBuffer:
    rng = np.random.default_rng(0)
    person = np.zeros((40, 30), np.uint8)
    person[5:30, 8:20] = 1
    inside = person > 0
    depth = np.where(inside, rng.uniform(1, 4, person.shape), np.nan).astype(np.float32)
    normal, rest = (np.where(inside[..., None], rng.uniform(-1, 1, (40, 30, 3)), np.nan).astype(np.float32) for _ in range(2))
    who = SynthPerson(
        np.array([8, 5, 19, 29], np.float32), np.ones((133, 3), np.float32), np.ones((308, 3), np.float32), {"a": 1}
    )
    return GBuffer(person, person * 2, person * 3, depth, normal, rest, np.eye(3), (who,), "key")


def test_unpacked_frames_hold_the_same_and_are_written_once(tmp_path: Path):
    path = tmp_path / "frame.npz"
    write_gbuffer(path, frame())
    packed, size = read_gbuffer(path), path.stat().st_size
    unpack([path])
    plain, written = read_gbuffer(path), path.stat().st_mtime_ns
    assert path.stat().st_size > size
    unpack([path])
    assert path.stat().st_mtime_ns == written
    assert list(tmp_path.iterdir()) == [path]
    for field in fields(GBuffer):
        if field.name != "people":
            np.testing.assert_array_equal(getattr(plain, field.name), getattr(packed, field.name))
    np.testing.assert_array_equal(plain.people[0].sapiens308, packed.people[0].sapiens308)
    assert plain.people[0].info == {"a": 1}


def test_a_damaged_frame_is_named(tmp_path: Path):
    (tmp_path / "bad.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"bad\.npz is not a readable G-buffer"):
        unpack([tmp_path / "bad.npz"])
