"""Copies that hashes miss: cut, framed, turned, written on."""

from __future__ import annotations

import json
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

from foreign_models import write_classifier, write_comparer, write_embedder, write_masked
from PIL import Image, ImageDraw, ImageOps
from piles import RED, jpeg

from vitruvian.cli import main
from vitruvian.curate import alike as alike_module
from vitruvian.curate.alike import BEST, NEAREST, alike, candidates
from vitruvian.curate.duplicates import Pair, find_twins
from vitruvian.curate.embed import make_embedder, vector_of
from vitruvian.curate.limits import Limits
from vitruvian.curate.place import Place
from vitruvian.curate.points import MOST, points_of, shared
from vitruvian.curate.run import Run, curate, read_ledger
from vitruvian.curate.scorer import View
from vitruvian.curate.settings import Settings, settings_of
from vitruvian.errors import UsageError, VitruvianError, WeightsError
from vitruvian.types import Array

EMBEDDED = Settings(scorers=(RED,), embedding="packaged")


def scene(seed: int, size: tuple[int, int] = (340, 420)) -> Image.Image:
    """Things with corners in front of a slope of colours (H, W)."""
    rng = np.random.default_rng(seed)
    corners = Image.fromarray(rng.integers(0, 150, (2, 2, 3), np.uint8))
    image = corners.resize(size[::-1], Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        points = (rng.random(2) * size[::-1] + rng.normal(0, 25, (int(rng.integers(3, 6)), 2))).tolist()
        draw.polygon([(x, y) for x, y in points], fill=tuple(map(int, rng.integers(0, (150, 255, 255)))))
    return image


def cut(image: Image.Image) -> Image.Image:
    return image.crop((30, 10, image.width - 10, image.height - 30))


def framed(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, 24, "white")


def turned(image: Image.Image) -> Image.Image:
    return image.rotate(4, Image.Resampling.BICUBIC).crop((20, 20, image.width - 20, image.height - 20))


def written_on(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).text((30, 120), "SOME WORDS", fill="white", font_size=56)
    return image


CHANGES = [cut, framed, turned, written_on]


def points(image: Image.Image) -> bytes:
    return points_of(np.asarray(image))


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_shares_points_and_another_picture_does_not(change: Any) -> None:
    for seed in range(3):
        own = points(scene(seed))
        assert len(own) % 36 == 0
        assert len(own) <= 36 * MOST
        assert shared(own, points(change(scene(seed)))) >= Limits().points
        assert shared(own, points(change(scene(seed + 10)))) < Limits().points / 2


def test_points_are_shared_whatever_was_compared_before_and_a_plain_or_narrow_picture_has_none() -> None:
    first, second, plain = points(scene(0)), points(cut(scene(0))), points(Image.new("RGB", (300, 300), "red"))
    before = shared(first, second)
    assert min(shared(second, first), before) >= Limits().points
    assert shared(first, second) == before
    assert plain == b""
    assert shared(first, plain) == shared(plain, plain) == 0
    assert points(scene(0, (16, 4000))) == points(scene(0, (16, 16))) == b""


def ticker(image: Image.Image) -> Image.Image:
    """With the same band and sign on every picture."""
    image = image.copy()
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 280, image.width, image.height), fill=(200, 30, 40))
    draw.text((12, 288), "BREAKING NEWS: PRICES FALL", fill="white", font_size=26)
    draw.rectangle((340, 12, 405, 52), fill=(20, 40, 160))
    draw.text((346, 16), "TV7", fill="white", font_size=28)
    return image


def test_pictures_that_bear_the_same_band_are_not_one() -> None:
    made = [points(ticker(scene(seed))) for seed in range(4)]
    assert all(shared(a, b) == 0 for a, b in combinations(made, 2))
    assert shared(made[0], points(cut(ticker(scene(0))))) >= Limits().points


def unit(values: Array) -> Array:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


def twins(count: int) -> Array:
    """(2 count, 16): row i + count is like row i."""
    rng = np.random.default_rng(0)
    plain = rng.normal(size=(count, 16))
    return unit(np.concatenate([plain, plain + rng.normal(size=plain.shape) * 0.05]))


def test_candidates_are_what_comparing_every_pair_finds() -> None:
    vectors = twins(150)
    cosines = vectors.astype(np.float32) @ vectors.astype(np.float32).T
    wanted = {(i, j) for i, j in zip(*np.nonzero(cosines >= 0.9), strict=True) if i < j}
    found = candidates(vectors, 0.9)
    assert len(wanted) >= 150
    assert {(i, j) for i, j, _ in found} == wanted
    assert all(abs(cosine - cosines[i, j]) < 1e-3 for i, j, cosine in found)


def test_among_many_candidates_are_sought_in_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike_module, "ALL", 100)
    monkeypatch.setattr(alike_module, "OF_CLUSTER", 60)
    found = {(i, j) for i, j, _ in candidates(twins(300), 0.9)}
    assert len({(i, i + 300) for i in range(300)} & found) >= 294


def test_of_many_that_are_all_alike_one_is_kept() -> None:
    count = 6 * NEAREST
    vectors = unit(np.ones((count, 64)) + np.random.default_rng(0).normal(size=(count, 64)) * 0.1)
    pairs = [Pair(*one) for one in candidates(vectors, 0.9)]
    assert len(pairs) <= count * (NEAREST + BEST)
    twins = find_twins([f"{place:016x}" for place in range(count)], range(count), -1, lambda _: "kept", pairs)
    assert sorted(twins.of) == list(range(1, count))


def row(sha: str, image: Image.Image, vector: Array) -> dict[str, Any]:
    size = {"width": image.width, "height": image.height, "bytes": 1}
    return {"sha256": sha, "stage": "", "vector": unit(vector[None])[0].tobytes(), "points": points(image), **size}


def test_pairs_are_confirmed_by_points_unless_none_are_asked_for() -> None:
    near = np.array([1.0, 0.1])
    rows = [row("a", scene(0), near), row("b", scene(1), near), row("a", scene(0), near), row("c", cut(scene(0)), near)]
    rows.append({"sha256": "d", "stage": "decode"})
    assert [pair[:2] for pair in alike(rows, Limits())] == [(0, 3)]
    assert alike(rows, Limits())[0] == Pair(0, 3, 1.0)
    assert {frozenset(pair[:2]) for pair in alike(rows, Limits(points=0))} == {frozenset(p) for p in ((0, 1), (0, 3), (1, 3))}
    gone = [rows[0] | {"stage": "decode"}, *rows[1:3], rows[3] | {"vector": b""}, rows[3] | {"sha256": "e"}]
    assert [pair[:2] for pair in alike(gone, Limits())] == [(2, 4)]  # another copy stands for what is gone
    assert alike(rows[-1:], Limits()) == []


@pytest.fixture(scope="module")
def pile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pile")
    for seed in range(4):
        (folder / f"plain-{seed}.jpg").write_bytes(jpeg(scene(seed)))
    for change in CHANGES:
        (folder / f"{change.__name__}.jpg").write_bytes(jpeg(change(scene(0))))
    (folder / "copy.jpg").write_bytes((folder / "plain-0.jpg").read_bytes())
    return folder


@pytest.fixture(scope="module")
def reference(pile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    curate([str(pile)], out, EMBEDDED, workers=0)
    return out


def stages(out: Path) -> dict[str, str]:
    return {Path(one["source"]).stem: one["stage"] for one in read_ledger(out)}


def test_a_run_with_an_embedding_keeps_one_of_all_copies(reference: Path) -> None:
    rows = {Path(one["source"]).stem: one for one in read_ledger(reference, embedded=True)}
    shown = [rows[name] for name in ("copy", "plain-0", *(change.__name__ for change in CHANGES))]
    kept = [one for one in shown if not one["stage"]]
    assert [Path(one["source"]).stem for one in kept] == ["framed"]  # the largest
    assert {one["duplicate_of"] for one in shown if one["stage"]} == {kept[0]["source"]}
    assert rows["cut"]["reason"].startswith("same picture, likeness 0.9")
    assert rows["cut"]["distance"] is None
    assert len(rows["cut"]["vector"]) == 2048
    assert [rows[f"plain-{seed}"]["stage"] for seed in (1, 2, 3)].count("duplicate") == 0


def test_several_workers_and_all_scores_find_the_same_copies(pile: Path, reference: Path, tmp_path: Path) -> None:
    curate([str(pile)], tmp_path / "several", EMBEDDED, workers=2)
    assert read_ledger(tmp_path / "several", embedded=True) == read_ledger(reference, embedded=True)
    curate([str(pile)], tmp_path / "all", Settings(scorers=(RED,), embedding="packaged", all_scores=True), workers=0)
    assert stages(tmp_path / "all") == stages(reference)


def test_without_an_embedding_they_are_kept_and_tune_moves_its_limits(pile: Path, reference: Path, tmp_path: Path) -> None:
    curate([str(pile)], tmp_path / "plain", Settings(scorers=(RED,)), workers=0)
    assert stages(tmp_path / "plain")["cut"] != "duplicate"
    assert "vector" not in read_ledger(tmp_path / "plain")[0]
    assert (
        main(["curate", "tune", str(reference), "--out", str(tmp_path / "free"), "--min-likeness", "1"]) == 2
    )  # scores are missing
    assert main(["curate", "tune", str(reference), "--out", str(tmp_path / "same"), "--min-points", "16"]) == 0
    assert stages(tmp_path / "same") == stages(reference)


@pytest.mark.parametrize("limits", [{"likeness": 1.5}, {"points": -1}])
def test_limits_that_cannot_be_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="Allowed"):
        Limits(**limits)


def test_settings_of_an_older_run_are_read() -> None:
    told = Settings().as_json()
    for name in ("embedding", "edits"):
        del told[name]
    del told["limits"]["likeness"]
    assert settings_of(told) == Settings()
    assert settings_of(EMBEDDED.as_json()) == EMBEDDED


def test_what_goes_after_it_was_embedded_leaves_nothing_unscored(
    pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, embed = shutil.copytree(pile, tmp_path / "pile"), Run._embed

    def then_lose(run: Run, rows: list[dict[str, Any]]) -> None:
        embed(run, rows)
        (folder / "framed.jpg").unlink()  # the one that the others are duplicates of

    monkeypatch.setattr(Run, "_embed", then_lose)
    curate([str(folder)], tmp_path / "out", EMBEDDED, workers=0)
    rows = {Path(one["source"]).stem: one for one in read_ledger(tmp_path / "out")}
    assert rows["framed"]["reason"].startswith("missing")
    assert all(one["red"] is not None for one in rows.values() if one["decision"] == "keep")
    with pytest.raises(VitruvianError, match="never scored"):
        Run(Place(tmp_path / "bad"), EMBEDDED, 0, 9, None).finish([one | {"red": None} for one in rows.values()], [])


def test_a_copy_is_embedded_in_place_of_one_that_is_gone(pile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, embed = shutil.copytree(pile, tmp_path / "pile"), Run._embed

    def lose(run: Run, rows: list[dict[str, Any]]) -> None:
        (folder / "copy.jpg").unlink()  # of plain-0, and the first of them
        embed(run, rows)

    monkeypatch.setattr(Run, "_embed", lose)
    curate([str(folder)], tmp_path / "out", EMBEDDED, workers=0)
    assert stages(tmp_path / "out") == stages(tmp_path / "out") | {"copy": "decode", "plain-0": "duplicate", "framed": ""}


class Odd:
    """An embedder of tests that cannot see narrow pictures, and says nothing of wide ones."""

    def embed(self, batch: Any) -> list[Array]:
        if batch[0].size[0] < 20:
            raise ValueError("too narrow")
        return [np.full(4, np.nan if batch[0].size[1] > 400 else 0.5, np.float16)]


def test_an_image_that_a_model_cannot_embed_is_compared_by_its_hash_alone() -> None:
    sizes = ((16, 300), (300, 500), (300, 300))
    made = [vector_of(Odd(), View(np.zeros((*size, 3), np.uint8), size)) for size in sizes]  # type: ignore[arg-type]
    assert [len(vector) for vector in made] == [0, 0, 8]


def test_limits_without_an_embedding_are_refused(pile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["curate", str(pile), "--out", str(tmp_path / "out"), "--min-likeness", "0.9"]) == 2
    assert "--min-likeness without an embedding" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_tune_says_what_was_never_embedded(pile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strict = Settings(Limits(side=330), scorers=(), embedding="packaged")
    curate([str(pile)], tmp_path / "out", strict, workers=0)
    assert main(["curate", "tune", str(tmp_path / "out"), "--min-side", "100"]) == 2
    assert "vectors" in capsys.readouterr().err


def test_a_run_begun_before_there_were_embeddings_goes_on(pile: Path, tmp_path: Path) -> None:
    plain = Settings(scorers=(RED,))
    curate([str(pile)], tmp_path / "out", plain, workers=0)
    told = json.loads((tmp_path / "out" / "run.json").read_text())
    for name in ("embedding", "edits"):
        del told[name]
    del told["limits"]["likeness"], told["limits"]["points"]
    (tmp_path / "out" / "run.json").write_text(json.dumps(told))
    assert curate([str(pile)], tmp_path / "out", plain, workers=0).before
    with pytest.raises(UsageError, match="embedding"):
        curate([str(pile)], tmp_path / "out", EMBEDDED, workers=0)


def test_models_of_transformers_embed_too(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install 'vitruvian[detect]'")
    views = [View(np.asarray(scene(seed)), (340, 420)) for seed in range(2)]
    for folder, length in ((write_comparer(tmp_path / "clip", "clip"), 8), (write_embedder(tmp_path / "dino"), 16)):
        embedder = make_embedder(str(folder), "cpu")
        alone, other = (embedder.embed([view])[0] for view in views)
        assert alone.shape == (length,)
        assert alone.dtype == np.float16
        assert abs(np.linalg.norm(alone.astype(np.float32)) - 1) < 1e-2
        assert not np.array_equal(alone, other)
        assert np.array_equal(embedder.embed(views)[0], alone)
        assert embedder.model.startswith(str(folder))
    with pytest.raises(WeightsError, match="one vector for one picture"):  # it hides patches by chance
        make_embedder(str(write_masked(tmp_path / "masked")), "cpu")
    with pytest.raises(WeightsError, match="pooler"):  # its pooled answer would be drawn by chance
        make_embedder(str(write_classifier(tmp_path / "classifier")), "cpu")


def test_an_embedding_that_is_none_is_told_before_anything_is_done(pile: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed: pip install 'vitruvian[detect]'")
    with pytest.raises(UsageError, match=r"embedding 'nowhere'.*packaged, a folder, or hub:OWNER/NAME"):
        curate([str(pile)], tmp_path / "out", Settings(scorers=(RED,), embedding="nowhere"), workers=0)
    assert not (tmp_path / "out").exists()
