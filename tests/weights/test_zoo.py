"""The list of released checkpoints: complete, buildable, and found again by name and by file."""

from __future__ import annotations

from collections import Counter

import pytest

from vitruvian.errors import UsageError
from vitruvian.model import SIZES
from vitruvian.weights import zoo
from vitruvian.weights.card import card_of

RELEASES = zoo.releases()


def test_every_task_in_every_size_is_listed() -> None:
    assert Counter(release.row.name for release in RELEASES.values()) == dict.fromkeys(zoo.rows(), 4)
    missing = [name for name, release in RELEASES.items() if release.status == "missing"]
    assert missing == ["sapiens-2b-pose308", "sapiens-2b-seg28"]
    assert len(RELEASES) == 28


@pytest.mark.parametrize("name", RELEASES)
def test_a_checkpoint_is_wholly_described(name: str) -> None:
    release = RELEASES[name]
    spec, arch = release.spec, SIZES[release.size]
    assert spec.name == name
    assert (spec.dim, spec.depth, spec.heads_attn, spec.mlp) == (arch.dim, arch.depth, arch.heads_attn, arch.mlp)
    assert spec.size == ((1024, 1024) if release.row.task is None else (1024, 768))
    assert spec.class_token == (release.row.task is None) and spec.licence == "CC-BY-NC-4.0"
    assert spec.padding == (2 if release.row.task in ("pose", "normal") else 0), "no tensor shows it: it stands here only"
    assert (spec.mean, spec.std) == ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)), "of red, green and blue"
    assert (spec.box_padding, spec.codec) == (1.25, "official")
    assert spec.sigma == 6.0 or release.row.task != "pose"
    assert release.notes and release.repo.count("/") == 1 and "{" not in release.repo + release.file
    card_of(spec, {}, "")


@pytest.mark.parametrize("name", [name for name, release in RELEASES.items() if release.file])
def test_a_file_is_known_by_its_name_in_every_layout(name: str) -> None:
    release = RELEASES[name]
    assert f"_{release.size}_" in release.file
    for ending in zoo.ENDINGS:
        assert zoo.release_of_file(f"folder/{release.stem}{ending}") == release


def test_an_earlier_upload_is_known_too() -> None:
    assert zoo.release_of_file("sapiens_1b_goliath_best_goliath_AP_640_torchscript.pt2") == RELEASES["sapiens-1b-pose308"]


def test_other_names_are_of_no_checkpoint() -> None:
    assert zoo.release_of_file("model.pth") is None and zoo.release_of_file("") is None
    with pytest.raises(UsageError, match=r"unknown official checkpoint 'sapiens-1b-pose'\. Did you mean sapiens-1b-pose17"):
        zoo.release("sapiens-1b-pose")


def test_the_licence_says_what_may_not_be_done() -> None:
    assert zoo.licence_text().startswith("CC-BY-NC-4.0 (no commercial use")


def test_only_official_normals_have_axes_that_are_not_stated() -> None:
    """Their signs are those of training data that are not public (sapiens1, section 3.4)."""
    axes = {release.row.name: head.options.get("axes") for release in RELEASES.values() for head in release.spec.heads}
    assert axes == dict.fromkeys(axes) | {"normal": "unstated"}
