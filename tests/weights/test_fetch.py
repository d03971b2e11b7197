"""The hub and its cache: licence first, going on after a stop, and one line that says how to mend what stands in the way."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import COMMIT, FakeHub
from official_files import as_checkpoint, true_size

from vitruvian import weights
from vitruvian.cli import main
from vitruvian.errors import UsageError, WeightsError
from vitruvian.weights import fetch as hub
from vitruvian.weights import zoo

PLACE = hub.HubFile("owner/name", "deep/x.pth")
CONTENT = random.Random(0).randbytes(300_000)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """A hub with one file; huggingface_hub does not wait between its tries."""
    monkeypatch.setattr("time.sleep", lambda _: None)
    server = FakeHub()
    server.files["owner/name/deep/x.pth"] = CONTENT
    with server.running(monkeypatch):
        yield server


def fetched(place: hub.HubFile = PLACE) -> tuple[Path, list[str]]:
    """The file, and what was said."""
    said: list[str] = []
    return hub.fetch(place, None, said.append), said


def part_of(cache: Path) -> Path:
    (part,) = cache.glob("models--owner--name/blobs/*.part")
    return part


def test_the_licence_is_told_before_the_download_and_recorded_beside_the_file(server: FakeHub, cache: Path) -> None:
    path, said = fetched()
    assert path.read_bytes() == CONTENT and path.is_relative_to(cache)
    assert said == [
        "licence: as its repository says: https://huggingface.co/owner/name/tree/main",
        "fetching hub:owner/name/deep/x.pth",
    ]
    record = json.loads(path.with_name("x.pth.licence.json").read_text())
    assert record["licence"] == "as its repository says: https://huggingface.co/owner/name/tree/main"
    assert (record["repository"], record["file"], record["revision"]) == ("owner/name", "deep/x.pth", COMMIT)
    assert not list(cache.rglob("*.part"))


def test_what_is_in_the_cache_needs_no_network_and_says_nothing_again(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = fetched()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    asked = list(server.ranges)
    assert fetched() == (path, []) and hub.cached(PLACE) == path and server.ranges == asked
    path.with_name("x.pth.licence.json").unlink()
    assert fetched()[1] == ["licence: as its repository says: https://huggingface.co/owner/name/tree/main"]


def test_a_stopped_download_goes_on_where_it_stopped(server: FakeHub, cache: Path) -> None:
    server.drop_after = 100_000
    server.announced["owner/name/deep/x.pth"] = CONTENT
    full, server.files["owner/name/deep/x.pth"] = CONTENT, CONTENT[:100_000]  # the line breaks, and stays broken
    with pytest.raises(WeightsError, match=r"hub:owner/name/deep/x\.pth: .*Fix: .*run it again.* goes on where it stopped"):
        fetched()
    assert part_of(cache).read_bytes() == CONTENT[:100_000]
    server.drop_after, server.files["owner/name/deep/x.pth"] = None, full
    server.ranges.clear()
    path, said = fetched()
    assert path.read_bytes() == CONTENT and server.ranges == ["bytes=100000-"]
    assert "going on at 33% of 0.00 GB" in said


def test_a_download_that_is_interrupted_by_hand_goes_on_too(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import file_download

    whole = file_download.http_get

    def interrupted(url: str, target: object, **options: object) -> None:
        target.write(CONTENT[:1000])  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(file_download, "http_get", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetched()
    monkeypatch.setattr(file_download, "http_get", whole)
    assert fetched()[0].read_bytes() == CONTENT and server.ranges == ["bytes=1000-"]


def test_other_bytes_than_announced_are_thrown_away(server: FakeHub, cache: Path) -> None:
    server.announced["owner/name/deep/x.pth"] = CONTENT[::-1]
    with pytest.raises(WeightsError, match=r"what was downloaded is not what the hub announced\. Fix: run it again"):
        fetched()
    assert not list(cache.rglob("*.part")) and hub.cached(PLACE) is None


def test_no_room_is_told_before_the_download(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitruvian.weights.download.shutil.disk_usage", lambda _: type("Usage", (), {"free": 0})())
    with pytest.raises(WeightsError, match=r"0\.00 GB are needed in .*0\.00 GB are free\. Fix: make room, or set HF_HUB_CACHE"):
        fetched()
    assert server.ranges == []


def test_a_disk_that_fills_up_is_told(server: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(WeightsError, match=r"no space left on the device\. Fix: make room in .*or set HF_HUB_CACHE"):
        fetched()


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("RepoNotFound", "no such repository, or a private one.*--repo OWNER/NAME"),
        ("EntryNotFound", r"no such file\. Fix: --file NAME; https://huggingface\.co/owner/name/tree/main lists them"),
        ("RevisionNotFound", "no such revision"),
        ("GatedRepo", "its terms must be accepted first.*hf auth login"),
    ],
)
def test_what_the_hub_refuses_is_explained(server: FakeHub, error: str, text: str) -> None:
    server.error = error
    with pytest.raises(WeightsError, match=text):
        fetched()


def test_no_network_and_offline_mode_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match=r"the hub cannot be reached .*Fix: connect, then run it again: it goes on"):
        fetched()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match=r"not in the cache, and HF_HUB_OFFLINE forbids to fetch it\. Fix: unset HF_HUB"):
        fetched()


@pytest.mark.parametrize("text", ["hub:a/b", "a/b/c", "hub:a//c", "hub:a/b/../c", "hub:a/b/c@", "hub:"])
def test_what_is_no_place_at_the_hub_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no file at the hub\. Allowed: hub:OWNER/REPOSITORY/FILE or .*@REVISION"):
        hub.parse(text)
    assert hub.parse("hub:a/b/c/d.pth@v1") == hub.HubFile("a/b", "c/d.pth", "v1")


def test_an_official_checkpoint_from_the_hub_to_its_short_name(
    server: FakeHub, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    release = zoo.release("sapiens-0.3b-depth")
    source = as_checkpoint(true_size("depth"), tmp_path / "x.pth")
    server.files[f"{release.repo}/{release.file}"] = source.read_bytes()
    assert main(["models", "fetch", release.name]) == 0
    told = capfd.readouterr().out
    for text in ("has not been verified", "licence: CC-BY-NC-4.0", "it is vit 1024x24, input 1024x768", "sha256 "):
        assert text in told
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    loaded = weights.load(release.name)
    assert loaded.release == release and hub.record_of(loaded.path).model == release.name  # type: ignore[union-attr]
    assert main(["models", "show", release.name]) == 0
    assert "fetched: 20" in capfd.readouterr().out
    shutil.rmtree(tmp_path)


def test_a_file_that_is_not_what_was_asked_for_does_not_get_its_name(
    server: FakeHub, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    server.files["owner/name/deep/x.pth"] = as_checkpoint(true_size("normal"), tmp_path / "x.pth").read_bytes()
    assert main(["models", "fetch", "sapiens-0.3b-depth", "--repo", "owner/name", "--file", "deep/x.pth"]) == 1
    assert "is a 0.3b normal, not sapiens-0.3b-depth" in capfd.readouterr().err
    assert hub.cached_releases() == {}
    assert main(["models", "fetch", "sapiens-0.3b-normal", "--repo", "owner/name", "--file", "deep/x.pth"]) == 0
    assert hub.cached_releases() == {"sapiens-0.3b-normal": hub.cached(PLACE)}
    shutil.rmtree(tmp_path)


def test_one_that_was_never_released_says_what_is_needed() -> None:
    with pytest.raises(
        UsageError, match=r"sapiens-2b-seg28 is not at the hub\. Fix: take .* models fetch sapiens-2b-seg28 --repo"
    ):
        hub.place_of(zoo.release("sapiens-2b-seg28"))
    assert hub.place_of(zoo.release("sapiens-2b-seg28"), "o/n", "f.pth") == hub.HubFile("o/n", "f.pth")


def test_a_packaged_model_needs_no_fetching(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "fetch", "vitruvian-s"]) == 0
    assert "vitruvian-s is packaged" in capfd.readouterr().out
    assert main(["models", "fetch", "vitruvian-x"]) == 2
    assert "Allowed: sapiens-SIZE-TASK, such as sapiens-1b-pose308 (`vitruvian models` lists them)" in capfd.readouterr().err
