"""A whole model at the hub: its files, fetched when that is asked for, found again without a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import COMMIT, FakeHub

from vitruvian.cli import main
from vitruvian.errors import UsageError, WeightsError
from vitruvian.weights import folder

FILES = {"config.json": b"{}", "preprocessor_config.json": b"{ }", "model.safetensors": b"x" * 5000}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    server = FakeHub()
    server.files |= {f"owner/name/{name}": content for name, content in FILES.items()}
    with server.running(monkeypatch):
        yield server


def test_all_of_it_is_fetched_and_its_licence_told_once(
    server: FakeHub, cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["models", "fetch", "hub:owner/name"]) == 0
    told = capsys.readouterr().out
    assert told.count("licence: as its repository says: https://huggingface.co/owner/name/tree/main") == 1
    assert f"(commit {COMMIT})" in told and "vitruvian predict PHOTO --detector hub:owner/name" in told
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    place, commit = folder.cached_folder(folder.parse_folder("hf:owner/name"))
    assert commit == COMMIT and {name: (place / name).read_bytes() for name in FILES} == FILES
    assert all((place / f"{name}.licence.json").is_file() for name in FILES)


def test_what_a_model_needs_for_words_comes_with_it(server: FakeHub, cache: Path) -> None:
    server.files["owner/name/tokenizer.json"] = b"[]"
    assert main(["models", "fetch", "hub:owner/name"]) == 0
    place, _ = folder.cached_folder(folder.parse_folder("hub:owner/name"))
    assert (place / "tokenizer.json").read_bytes() == b"[]" and not (place / "tokenizer_config.json").exists()


def test_what_is_not_in_the_cache_is_not_fetched_in_passing(server: FakeHub) -> None:
    place = folder.parse_folder("hub:owner/name@v2")
    assert place == folder.HubFolder("owner/name", "v2")
    with pytest.raises(
        WeightsError, match=r"hub:owner/name@v2 is not in the cache\. Fix: vitruvian models fetch hub:owner/name@v2"
    ):
        folder.cached_folder(place)
    assert not server.ranges


def test_a_repository_without_one_of_the_files(server: FakeHub, capsys: pytest.CaptureFixture[str]) -> None:
    del server.files["owner/name/model.safetensors"]
    assert main(["models", "fetch", "hub:owner/name"]) == 1
    assert "hub:owner/name has no model.safetensors. Fix: a repository or revision that has it" in capsys.readouterr().err


def test_no_network_is_told_in_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    assert main(["models", "fetch", "hub:owner/name"]) == 1
    problem = capsys.readouterr().err
    assert problem.count("\n") == 1 and "Fix: connect, then run it again" in problem


@pytest.mark.parametrize(
    "name", ["hub:", "hub:owner", "hub:owner/", "hub:/name", "hub:../name", "hub:a/b@", "owner/name", "hub:a/b/c"]
)
def test_other_names_are_none(name: str) -> None:
    with pytest.raises(UsageError, match=r"is no repository at the hub\. Allowed: hub:OWNER/NAME"):
        folder.parse_folder(name)


@pytest.mark.parametrize(
    ("name", "is_one"), [("hub:a/b", True), ("hf:a/b@c/d", True), ("hub:a/b/c.pth", False), ("a/b", False)]
)
def test_a_repository_and_a_file_in_one_are_told_apart(name: str, is_one: bool) -> None:
    assert folder.is_folder_at_hub(name) == is_one
