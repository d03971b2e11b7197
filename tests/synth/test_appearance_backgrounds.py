"""The photos behind people: packaged with their licences, or the user's."""

from __future__ import annotations

import hashlib
import json
import logging
import re

import cv2
import numpy as np
import pytest

from vitruvian.errors import InputError
from vitruvian.synth.appearance import Backgrounds
from vitruvian.synth.appearance.backgrounds import MORE, PACKAGED

ALLOWED = re.compile(r"CC0-1\.0|public domain|CC-BY(-SA)?-[1-4]\.[05]")


@pytest.mark.parametrize("folder", [PACKAGED, MORE], ids=["packaged", "more"])
def test_every_packaged_photo_names_its_author_and_a_free_licence(folder):
    rows = {row["file"]: row for row in json.loads((folder / "ATTRIBUTION.json").read_text(encoding="utf-8"))["photos"]}
    assert set(rows) == {p.name for p in folder.glob("*.jpg")}
    for name, row in rows.items():
        assert ALLOWED.fullmatch(row["licence"]), (name, row["licence"])
        assert row["author"] and row["title"] and row["source"] and len(row["original_sha256"]) == 64
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == row["stored_sha256"]


def test_packaged_photos_are_small_and_load():
    assert sum(p.stat().st_size for p in PACKAGED.iterdir()) < 2.5e6
    assert sum(p.stat().st_size for p in MORE.iterdir()) < 2e6
    assert len(Backgrounds.load(MORE).photos) >= 150
    photos = Backgrounds.load()
    assert len(photos.photos) == len(photos.names) >= 100 and not photos.skipped
    assert all(p.dtype == np.uint8 and p.ndim == 3 and max(p.shape[:2]) <= 400 for p in photos.photos)


def test_no_packaged_photo_is_an_evaluation_photo(shared):
    shown = json.loads((shared / "data" / "INDEX.json").read_text(encoding="utf-8"))["entries"]
    people = {entry["sha256"] for entry in shown if "person" in entry.get("kind", "") and entry["kind"] != "photo_no_person"}
    rows = json.loads((PACKAGED / "ATTRIBUTION.json").read_text(encoding="utf-8"))["photos"]
    assert not people & {row["original_sha256"] for row in rows}


def test_a_users_folder_is_added_and_its_bad_files_are_named(tmp_path, caplog):
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((700, 900, 3), 90, np.uint8))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    (tmp_path / "empty.JPG").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not looked at")
    with caplog.at_level(logging.WARNING):
        photos = Backgrounds.load(tmp_path)
    assert photos.names[-1] == "wall.png" and max(photos.photos[-1].shape[:2]) == 512
    assert photos.skipped == ("broken.jpg", "empty.JPG")
    assert "broken.jpg" in caplog.text and "empty.JPG" in caplog.text


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(InputError, match="no readable"):
        Backgrounds.load(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        Backgrounds.load(tmp_path / "absent")


def test_a_window_has_the_size_asked_for_and_comes_from_the_photo():
    photo = np.zeros((60, 90, 3), np.uint8)
    photo[:, :, 0], photo[:, :, 1] = np.arange(90), np.arange(60)[:, None]
    photos = Backgrounds((photo,), ("ramp",))
    for seed in range(20):
        window = photos.window(np.random.default_rng(seed), (40, 30))
        assert window.shape == (40, 30, 3)
        assert window[..., 0].max() < 90 and np.ptp(window[..., 1].astype(int)) > 10
