"""What is done to a part of the inputs, in whichever process: look, embed, score, pack. Each takes rows and gives rows."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from PIL import Image

from vitruvian.curate.edit import Edit, checked, make_edits
from vitruvian.curate.embed import Embedder, make_embedder, vector_of
from vitruvian.curate.fetch import is_url
from vitruvian.curate.integrity import Opened, Refusal, open_image
from vitruvian.curate.limits import FETCH, READ, count_people
from vitruvian.curate.looks import looks_of
from vitruvian.curate.points import points_of
from vitruvian.curate.record import EMBEDDED, HEAD, TAIL, Row, rounded, unwritable
from vitruvian.curate.scorer import Scorer, View
from vitruvian.curate.settings import Settings, make_scorers
from vitruvian.curate.tables import SUFFIX, read_picture
from vitruvian.errors import UsageError
from vitruvian.predict.images import from_pillow
from vitruvian.types import Array

QUALITY = 95  # of JPEGs that were edited
BATCH = 16  # views that a scorer is handed at once
COPIED = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "BMP": ".bmp"}  # formats that shards hold as they are
APART = frozenset({*HEAD, *TAIL, *EMBEDDED, "problem"} - {"source"})  # columns that are not told beside an image in its shard

Telling = Callable[[Sequence[int]], None]  # the indices of images that are about to be touched


def look(inputs: Iterable[Row], poisoned: frozenset[int], tell: Telling) -> list[Row]:
    """Decode every input, and measure what needs no model."""
    rows = []
    for one in inputs:
        row: Row = {"index": one["index"], "licence": one["licence"], "bytes": one["bytes"], "stage": "", "reason": ""}
        try:
            tell([one["index"]])
            row |= _looked_at(one, poisoned)
        except Refusal as refusal:
            row |= {"stage": READ, "reason": str(refusal)}
        if is_url(one["source"]) and one["problem"]:
            row |= {"stage": FETCH, "reason": one["problem"]}
        rows.append(rounded(row))
    return rows


def _looked_at(one: Row, poisoned: frozenset[int]) -> Row:
    content = read_input(one)
    known: Row = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    try:
        if one["index"] in poisoned:
            raise Refusal("crash", "the decoder died of it, or did not come to an end, twice")
        opened = open_image(content, _name(one))
    except Refusal as refusal:
        return known | {"stage": READ, "reason": str(refusal)}
    view = opened.view
    height, width = view.size
    size = {"width": width, "height": height, "side": float(min(view.size)), "aspect": max(view.size) / min(view.size)}
    return known | {"format": opened.format} | size | looks_of(view.pixels)


def _name(one: Row) -> str:
    """Whose ending must fit; addresses of the web end in whatever they like."""
    return "" if is_url(one["source"]) else str(one["source"])


def read_input(one: Row) -> bytes:
    """The bytes of one input. Refusal where there are none."""
    if one["problem"]:
        raise Refusal("unreadable", one["problem"])
    try:
        if one["start"] is not None and one["path"].endswith(SUFFIX):
            content = read_picture(Path(one["path"]), one["start"])
            if content is None:
                raise Refusal("empty", "no picture in this row")
            return content
        with Path(one["path"]).open("rb") as file:
            file.seek(one["start"] or 0)
            content = file.read() if one["start"] is None else file.read(one["bytes"])
    except FileNotFoundError:
        raise Refusal("missing", "no such file") from None
    except (OSError, ValueError) as error:
        raise Refusal("unreadable", getattr(error, "strerror", None) or str(error)) from error
    if one["start"] is not None and len(content) < one["bytes"]:
        raise Refusal("truncated", f"the shard ends after {len(content)} of {one['bytes']} bytes")
    return content


def embed(inputs: Sequence[Row], settings: Settings, tell: Telling) -> list[Row]:
    """What copies are known again by: a vector and points of every image."""
    embedder, rows = _embedder(settings), []
    for one in inputs:
        row: Row = {"index": one["index"], "stage": "", "reason": ""}
        try:
            tell([one["index"]])
            view = _again(one).view
            row |= {"vector": vector_of(embedder, view), "points": points_of(view.pixels)}
        except Refusal as refusal:
            row |= {"stage": READ, "reason": str(refusal)}
        rows.append(row)
    return rows


def score(inputs: Sequence[Row], settings: Settings, batch: int, tell: Telling) -> list[Row]:
    """Ask the scorers in their order; an image that one of them drops is not shown to the next, but for `all_scores`."""
    scorers, rows = _scorers(settings), []
    for begin in range(0, len(inputs), batch):
        rows += _score(inputs[begin : begin + batch], scorers, settings, tell)
    return rows


def _score(inputs: Sequence[Row], scorers: Sequence[Scorer], settings: Settings, tell: Telling) -> list[Row]:
    rows: list[Row] = [{"index": one["index"], "stage": "", "reason": ""} for one in inputs]
    tell([one["index"] for one in inputs])
    views: dict[int, View] = {}
    for place, one in enumerate(inputs):
        try:
            views[place] = _again(one).view
        except Refusal as refusal:
            rows[place] |= {"stage": READ, "reason": str(refusal)}
    for scorer in scorers:
        for place, told in zip(views, scorer.score(list(views.values())) if views else [], strict=True):
            rows[place] |= told
            count_people(rows[place], settings.limits)
            _check_answer(scorer, rows[place], inputs[place])
        if not settings.all_scores:
            views = {p: v for p, v in views.items() if not any(stage.failed(rows[p]) for stage in scorer.stages)}
    return [rounded(row) for row in rows]


def _check_answer(scorer: Scorer, row: Row, one: Row) -> None:
    """UsageError where a score is missing that decides: the image would stay open for ever."""
    for stage in scorer.stages:
        for bound in stage.bounds:
            if row.get(bound.score) is None:
                raise UsageError(
                    f"scorer {scorer.model} gives no {bound.score} for {one['source']}. Fix: a number for every image,"
                    " nan where it is not known: such an image is dropped."
                )


def _again(one: Row) -> Opened:
    """An image that was looked at before, if it is still the same."""
    return open_image(_same(one), _name(one))


def _same(one: Row) -> bytes:
    content = read_input(one)
    if hashlib.sha256(content).hexdigest() != one["sha256"]:
        raise Refusal("changed", "the file is another one since it was looked at")
    return content


@cache
def _scorers(settings: Settings) -> list[Scorer]:
    return make_scorers(settings)


@cache
def _embedder(settings: Settings) -> Embedder:
    return make_embedder(settings.embedding, settings.device)


@cache
def _edits(settings: Settings) -> dict[str, Edit]:
    return make_edits(settings)


def pack(inputs: Sequence[Row], path: Path, settings: Settings, tell: Telling) -> list[Row]:
    """Write kept images into one shard, whole or not at all: bytes as they came, and beside them what the ledger knows.

    Formats that readers of shards do not know are written as PNG; what was edited, as JPEG if it came as one, without the
    metadata that came with it. An image that is not the same any more, or cannot be edited, is left out and told.
    """
    edits = _edits(settings)  # before an image is touched: what stands in the way here is no image's fault
    temporary, rows = path.with_name(f".{path.name}.{os.getpid()}.tmp"), []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as tar:
            for one in inputs:
                tell([one["index"]])
                row: Row = {"index": one["index"], "shard": path.name, "key": f"{one['index']:010d}", "reason": ""}
                try:
                    ending, content, done = _stored(one, edits)
                    _add(tar, row["key"] + ending, content)
                    _add(tar, row["key"] + ".json", json.dumps(_beside(one, done), ensure_ascii=False, sort_keys=True).encode())
                    row["edited"] = ",".join(done)
                except Refusal as refusal:
                    row |= {"shard": None, "key": None, "reason": str(refusal)}
                rows.append(row)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error
    return rows


def _beside(one: Row, done: Row) -> Row:
    known = {name: value for name, value in one.items() if name not in APART and value is not None}
    return known | ({"edits": done} if done else {})


def _stored(one: Row, edits: Mapping[str, Edit]) -> tuple[str, bytes, Row]:
    """Ending and bytes of an image, and what was done to it, by edit."""
    content = _same(one)
    if one["format"] in COPIED and not edits:
        return COPIED[one["format"]], content, {}
    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = from_pillow(image).pixels
    except Exception as error:  # it was decoded before; whatever stands in the way now is told of this image alone
        raise Refusal("damaged", str(error)) from error
    pixels, done = _edited(pixels, one, edits)
    if one["format"] in COPIED and not done:
        return COPIED[one["format"]], content, {}
    file = io.BytesIO()
    if COPIED.get(one["format"]) == ".jpg":
        Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
        return ".jpg", file.getvalue(), done
    Image.fromarray(pixels).save(file, "PNG")
    return ".png", file.getvalue(), done


def _edited(pixels: Array, one: Row, edits: Mapping[str, Edit]) -> tuple[Array, Row]:
    done: Row = {}
    for name, edit in edits.items():
        try:
            made = checked(edit.edit(pixels, one), pixels.shape)
        except Exception as error:  # an image that could not be edited must not pass as it is
            raise Refusal("unedited", f"{name}: {type(error).__name__}: {error}") from error
        if made is not None:
            pixels, done[name] = made.image, {"model": edit.model, "done": made.told}
    return pixels, done


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)  # no time, no owner: the same images make the same shard
    member.size, member.mode = len(content), 0o644
    tar.addfile(member, io.BytesIO(content))
