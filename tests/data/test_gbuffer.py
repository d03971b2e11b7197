"""Frames of geometry on disk."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize(
    ("array", "field"),
    [
        ("meta", "format"),
        ("meta", "people"),
        ("meta", "key"),
        ("meta", "box"),
        ("person", ""),
        ("normal", ""),
        ("sapiens308", ""),
    ],
)
def test_a_frame_without_a_field_is_named(tmp_path: Path, array: str, field: str):
    path = tmp_path / "frame.npz"
    write_gbuffer(path, frame())
    with np.load(path) as data:
        arrays = dict(data)
    meta = json.loads(arrays["meta"].tobytes())
    if field:
        del (meta["people"][0] if field == "box" else meta)[field]
        arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    else:
        del arrays[array]
    np.savez(path, **arrays)
    with pytest.raises(
        InputError, match=rf"frame\.npz is not a readable G-buffer .*{field or array}.*run the same synth command"
    ):
        read_gbuffer(path)


@pytest.mark.parametrize("meta", ["[]", "3", '{"format": 1, "people": [3], "key": ""}'])
def test_a_frame_with_other_fields_is_named(tmp_path: Path, meta: str):
    path = tmp_path / "frame.npz"
    write_gbuffer(path, frame())
    with np.load(path) as data:
        arrays = dict(data)
    np.savez(path, **arrays | {"meta": np.frombuffer(meta.encode(), np.uint8)})
    with pytest.raises(InputError, match="not a readable G-buffer"):
        read_gbuffer(path)
