"""The packaged network of curation: watermarks, overlaid text and drawings, learned from procedurally made marks.

python -m vitruvian.recipes.curation --work runs/marks --synth runs/embedded/synth --fonts runs/fonts

The same command goes on where it was stopped.

Clean pictures are windows of the packaged backgrounds, and, with --synth, synthetic people before them. Every sixth background
is kept for validation; those of `backgrounds-more` are all learned from. Fonts are those that come with OpenCV and Pillow, an
alphabet drawn at random and, with --fonts, the files below a folder. The fonts of DejaVu, two logos and three drawing styles
are never learned from, so that `benchmarks/curation.py` can judge with them.
Expected figures and hardware: docs/results/curation.md.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from vitruvian.data.gbuffer import gbuffer_files, read_gbuffer
from vitruvian.data.images import decode_image
from vitruvian.device import choose_compute
from vitruvian.errors import UsageError
from vitruvian.model.marks import OUTPUTS, STRIDE, MarkNet
from vitruvian.synth.appearance.backgrounds import MORE, Backgrounds
from vitruvian.synth.appearance.degrade import degrade
from vitruvian.synth.frames import frame_view
from vitruvian.synth.marks import PACKAGED, Font, caption, draw_as, font_files, lettering, watermark
from vitruvian.synth.marks.styles import LEARNED
from vitruvian.train.checkpoint import Checkpoints
from vitruvian.types import Array
from vitruvian.weights.marks import Marks, read_marks, save_marks

BATCHES = ((288, 20), (448, 8))  # px of a picture and how many: by turns, as marks are large and small
NEVER = "dejavu"  # fonts to judge with
FILES = 0.7  # of the words, in font files where there are any
GIVEN_AWAY = 0.02  # share of clean validation pictures above each line; no line is below even odds
COLLAGES = 0.12  # of clean pictures
SHARPENED = 0.75  # of clean pictures
SHARP = (13.0, 0.6)  # mean size of photos' Laplacian at 512 px, in grey levels: median, and spread of the logarithm
MOST_SHARPENED = 3.0  # beyond, what is there only gets halos
OF_PEOPLE = 0.25  # of clean windows, where there are pictures of synthetic people
UNSPOILT = 0.3  # of clean pictures are saved as they are
IGNORED = 0.02  # a place with a mark on less than this share of it teaches nothing; twice as much is called marked
SEEN = 5.0  # grey levels by which a mark changes what it covers, or nobody sees it
FEWEST_SEEN = 60  # px; of pictures with less of a mark nothing is said
SAVED = 200  # steps between checkpoints, from which the same command goes on
OTHER = 0.3  # weight of "no text" where there is a watermark, and the other way round: strong marks look alike
HELD_OUT = 6  # every so many backgrounds
LETTERED = 0.2  # of the pictures, words belong to the scene: on walls, clothes, signs
CHANCES = {"clean": 0.34, "watermark": 0.36, "text": 0.15, "artistic": 0.15}


def split(photos: Backgrounds) -> tuple[Backgrounds, Backgrounds]:
    """To learn from, and every sixth to judge by."""
    held = [number % HELD_OUT == 0 for number in range(len(photos.photos))]
    parts = ([i for i, h in enumerate(held) if not h], [i for i, h in enumerate(held) if h])
    learned, judged = (
        Backgrounds(tuple(photos.photos[i] for i in part), tuple(photos.names[i] for i in part)) for part in parts
    )
    return learned, judged


def with_more(learned: Backgrounds) -> Backgrounds:
    """The same and the photos that are for training only."""
    some, every = Backgrounds.load(), Backgrounds.load(MORE)
    count = len(some.photos)
    return Backgrounds(learned.photos + every.photos[count:], learned.names + every.names[count:])


@dataclass(frozen=True)
class CleanPictures:
    """Pictures without marks: windows of backgrounds, and at times of pictures of synthetic people."""

    photos: Backgrounds
    people: tuple[Array, ...] = ()

    def draw(self, rng: np.random.Generator, size: tuple[int, int]) -> Array:
        """(H, W, 3) uint8, mostly as sharp as photos are: what is packaged is small, and enlarged it would be softer than any
        photo, so that sharpness alone would tell drawings. A few are put together of four windows or more."""
        picture = self._many(rng, size) if rng.random() < COLLAGES else self._turned(rng, size)
        return _sharpened(picture, rng) if rng.random() < SHARPENED else picture

    def _many(self, rng: np.random.Generator, size: tuple[int, int]) -> Array:
        across = int(rng.integers(2, 1 + max(3, max(size) // 96)))
        cell = (-(-size[0] // across), -(-size[1] // across))
        rows = [np.concatenate([self._turned(rng, cell) for _ in range(across)], 1) for _ in range(across)]
        return np.ascontiguousarray(np.concatenate(rows)[: size[0], : size[1]])

    def _turned(self, rng: np.random.Generator, size: tuple[int, int]) -> Array:
        if rng.random() < 0.93:
            return self._window(rng, size)
        return np.ascontiguousarray(np.rot90(self._window(rng, size[::-1]), int(rng.choice([1, 3]))))

    def _window(self, rng: np.random.Generator, size: tuple[int, int]) -> Array:
        if self.people and rng.random() < OF_PEOPLE:
            person = self.people[int(rng.integers(len(self.people)))]
            return Backgrounds((person,), ("",)).window(rng, size, (1.0, 1.6))
        return self.photos.window(rng, size, (1.0, 1.6))


def _sharpened(picture: Array, rng: np.random.Generator) -> Array:
    """As sharp as some photo, by an unsharp mask of as much as that takes."""
    now = float(np.abs(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_32F)).mean())
    wanted = SHARP[0] * math.exp(SHARP[1] * rng.normal())
    amount = min(max(wanted / (now + 0.1) - 1, 0.0), MOST_SHARPENED)
    soft = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.8, 1.6)))
    out: Array = cv2.addWeighted(picture, 1 + amount, soft, -amount, 0)
    return out


def people_pictures(synth: Path, count: int, photos: Backgrounds, seed: int) -> tuple[Array, ...]:
    """Synthetic people before backgrounds, from geometry that `vitruvian synth` has written."""
    rng, files, out = np.random.default_rng(seed), gbuffer_files(synth), []
    for _ in range(count):
        groups = [read_gbuffer(files[int(i)]) for i in rng.integers(len(files), size=int(rng.integers(1, 3)))]
        sample, _ = frame_view(groups, rng, (400, 400), backgrounds=photos)
        out.append(sample.image)
    return tuple(out)


class Example(NamedTuple):
    """picture (H, W, 3) uint8; kind: a key of CHANCES; masks (2, H, W) 0 to 1: coverage by watermark and by text."""

    picture: Array
    kind: str
    masks: Array


def fonts_of(folder: Path | None) -> tuple[Font, ...]:
    """The packaged ones, and FILES of all draws from the font files below `folder` that may be learned from."""
    files = [font for font in font_files(folder) if NEVER not in font.lower()] if folder else []
    repeated = max(1, round(len(files) * (1 - FILES) / FILES / len(PACKAGED)))
    return (*(PACKAGED * repeated if files else PACKAGED), *files)


def example(
    clean: CleanPictures,
    rng: np.random.Generator,
    size: tuple[int, int],
    fonts: Sequence[Font] = PACKAGED,
    spared: bool = False,
) -> Example:
    """One picture as it is learned from. spared: the same without its watermark, clean by its name."""
    kind = str(rng.choice(list(CHANCES), p=list(CHANCES.values())))
    picture, masks = clean.draw(rng, size), np.zeros((2, *size), np.float32)
    before = rng.random() < 0.5  # marks are put on photos that are worse or better than themselves
    spoilt = degrade if rng.random() > UNSPOILT else _saved
    if before and kind != "artistic":
        picture = spoilt(picture, rng)
    if kind != "artistic" and rng.random() < LETTERED:
        picture = lettering(picture, fonts, rng)
    if kind == "watermark":
        marked, mask = watermark(picture, fonts, rng)
        mask = mask * (np.abs(marked.astype(np.float32) - picture).mean(-1) >= SEEN)
        picture, masks[0], kind = (picture, masks[0], "clean") if spared else (marked, mask, kind)
    elif kind == "text":
        picture, masks[1] = caption(picture, fonts, rng)
    elif kind == "artistic":
        picture = _drawn(picture, rng)
        if rng.random() < 0.15:
            picture, masks[1] = caption(picture, fonts, rng)
    return Example(_saved(picture, rng) if before or kind == "artistic" else spoilt(picture, rng), kind, masks)


def _drawn(picture: Array, rng: np.random.Generator) -> Array:
    """In one of the styles that are learned from, by half drawn larger, as what is shrunk on the web."""
    style, (height, width) = str(rng.choice(list(LEARNED))), picture.shape[:2]
    if rng.random() < 0.5:
        return draw_as(style, picture, rng)
    scale = rng.uniform(1.2, 2)
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    small: Array = cv2.resize(draw_as(style, large, rng), (width, height), interpolation=cv2.INTER_AREA)
    return small


def _saved(picture: Array, rng: np.random.Generator) -> Array:
    """As JPEG."""
    _, content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 98))])
    return decode_image(content.tobytes(), "a picture just made")


class Plan(NamedTuple):
    """A training: optimiser steps, highest rate, processes that make pictures, seed of the pictures, and
    the hash of the weights to begin with."""

    steps: int
    lr: float
    workers: int
    seed: int
    start: str = ""


class Stream(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless batches of BATCHES by turns: (B, 3, S, S) uint8, shares of marks of every place (B, 2, s, s), and what each
    picture is (B, 3)."""

    def __init__(self, clean: CleanPictures, fonts: Sequence[Font], seed: tuple[int, ...]) -> None:
        self.clean, self.fonts, self.seed = clean, fonts, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        cv2.setNumThreads(1)
        info = get_worker_info()
        rng = np.random.default_rng([*self.seed, info.id if info else 0])
        for side, count in itertools.cycle(BATCHES):
            batch = list(itertools.islice(self._examples(rng, (side, side)), count))
            yield tuple(torch.stack(parts) for parts in zip(*batch, strict=True))  # type: ignore[misc]

    def _examples(self, rng: np.random.Generator, size: tuple[int, int]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        while True:
            seed = int(rng.integers(1 << 62))
            one = example(self.clean, np.random.default_rng(seed), size, self.fonts)
            yield _tensors(one)
            if one.kind == "watermark" and rng.random() < 0.5:
                yield _tensors(example(self.clean, np.random.default_rng(seed), size, self.fonts, spared=True))


def _tensors(one: Example) -> tuple[Tensor, Tensor, Tensor]:
    shares = F.avg_pool2d(torch.from_numpy(one.masks)[None], STRIDE)[0]
    marked = (one.masks > 0.2).sum((1, 2))
    told = [math.nan if 0 < count < FEWEST_SEEN else float(count > 0) for count in marked]
    if one.kind in ("watermark", "text") and not any(told):
        told = [math.nan, math.nan]
    return torch.from_numpy(one.picture).permute(2, 0, 1), shares, torch.tensor([*told, one.kind == "artistic"])


def loss_of(places: Tensor, pictures: Tensor, shares: Tensor, kinds: Tensor) -> Tensor:
    """Of places (watermark and text; see IGNORED), and of pictures."""
    wanted = (shares > 2 * IGNORED).float()
    counted = ((shares <= 1e-3) | (shares > IGNORED)).float() * torch.where(shares.flip(1) > 0, OTHER, 1.0)
    local = F.binary_cross_entropy_with_logits(places[:, :2], wanted, weight=counted)
    whole = F.binary_cross_entropy_with_logits(pictures, kinds.nan_to_num(0), weight=1.0 - kinds.isnan().float())
    return 2 * local + whole


def fit(clean: CleanPictures, fonts: Sequence[Font], plan: Plan, folder: Path, start: MarkNet | None = None) -> MarkNet:
    """Train `start` or a new network, or go on from the checkpoints in `folder`; returns the mean of the weights over the last
    steps."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net, bf16 = (start or MarkNet()).train(), choose_compute("cpu").dtype == torch.bfloat16
    mean = copy.deepcopy(net)
    optimiser = torch.optim.AdamW(net.parameters(), plan.lr, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.lr, total_steps=plan.steps, pct_start=0.15)
    parts: dict[str, Any] = {"net": net, "mean": mean, "optimiser": optimiser, "schedule": schedule}
    checkpoints = Checkpoints(folder)
    done = _resume(checkpoints, parts, plan)
    batches = _batches(Stream(clean, fonts, (plan.seed, done)), plan)
    begin = time.monotonic()
    for step in range(done + 1, plan.steps + 1):
        pictures, shares, kinds = next(batches)
        pixels = (pictures.float() / 255).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            places, said = net(pixels)
        loss = loss_of(places.float(), said.float(), shares, kinds)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        _follow(mean, net, min(0.99, 1 - 1 / step))
        if step % 25 == 0:
            print(f"step {step} loss {loss.item():.3f}, {(time.monotonic() - begin) / (step - done):.2f} s a step", flush=True)
        if step % SAVED == 0 or step == plan.steps:
            checkpoints.write(step, {"plan": plan._asdict(), **{name: part.state_dict() for name, part in parts.items()}})
    return mean.eval()


def _resume(checkpoints: Checkpoints, parts: Mapping[str, Any], plan: Plan) -> int:
    """Steps that are done. UsageError where they were those of another plan."""
    state = checkpoints.latest()
    if state is None:
        return 0
    if state["plan"] != plan._asdict():
        raise UsageError(f"{checkpoints.folder}: begun with {state['plan']}. Fix: the same words, or another --work.")
    for name, part in parts.items():
        part.load_state_dict(state[name])
    print(f"resumed after step {state['step']}")
    return int(state["step"])


def _batches(stream: Stream, plan: Plan) -> Iterator[Any]:
    return iter(DataLoader(stream, None, num_workers=plan.workers, multiprocessing_context="spawn" if plan.workers else None))


@torch.no_grad()
def _follow(mean: MarkNet, net: MarkNet, keep: float) -> None:
    for ours, theirs in zip(mean.state_dict().values(), net.state_dict().values(), strict=True):
        if ours.is_floating_point():
            ours.lerp_(theirs.to(ours.dtype), 1 - keep)
        else:
            ours.copy_(theirs)


def judge(
    net: MarkNet, clean: CleanPictures, fonts: Sequence[Font], count: int, seed: int
) -> tuple[tuple[float, ...], dict[str, float]]:
    """Lines that give away at most GIVEN_AWAY of clean pictures each, and the share of each kind of mark above its own."""
    rng, marks = np.random.default_rng(seed), Marks(net, (0.0,) * len(OUTPUTS))
    logits: dict[str, list[Tensor]] = {kind: [] for kind in CHANCES}
    plain: dict[bool, list[Tensor]] = {True: [], False: []}
    for number in range(count):
        soft = number % 2 == 0  # packaged photos enlarged to a usual size, or as fine as photos are
        one = example(clean, rng, ((384, 512) if rng.random() < 0.5 else (512, 384)) if soft else (256, 256), fonts)
        logits[one.kind].append(marks.logits(one.picture))
        if one.kind == "clean":
            plain[soft].append(logits[one.kind][-1])
    lines = torch.stack([torch.quantile(torch.stack(some), 1 - GIVEN_AWAY, dim=0) for some in plain.values()]).amax(0).clamp(0)
    found = {
        kind: float((torch.stack(logits[kind])[:, number] > lines[number]).float().mean())
        for number, kind in enumerate(OUTPUTS)
    }
    return tuple(round(value, 3) for value in lines.tolist()), found


def main(arguments: Sequence[str] | None = None) -> int:
    """The whole recipe; see the head of this file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of marks.safetensors")
    parser.add_argument("--synth", type=Path, help="geometry of synthetic people, for clean pictures with people")
    parser.add_argument("--fonts", type=Path, help="folder of font files to learn from beside the packaged ones")
    parser.add_argument("--start", type=Path, help="weights to begin with; nothing by default")
    parser.add_argument("--seed", type=int, default=3, help="of the examples")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--people", type=int, default=240, help="pictures of synthetic people")
    parser.add_argument("--pictures", type=int, default=600, help="to draw the lines by")
    chosen = parser.parse_args(arguments)
    chosen.work.mkdir(parents=True, exist_ok=True)
    learned, judged = split(Backgrounds.load())
    learned = with_more(learned)
    shown, others = (people_pictures(chosen.synth, count, photos, seed) if chosen.synth else () for count, photos, seed in
                     ((chosen.people * 4 // 5, learned, 1), (chosen.people // 5, judged, 2)))  # fmt: skip
    start = read_marks(chosen.start) if chosen.start else None
    plan = Plan(chosen.steps, chosen.lr, chosen.workers, chosen.seed, start.hash if start else "")
    fonts = fonts_of(chosen.fonts)
    net = fit(CleanPictures(learned, shown), fonts, plan, chosen.work / "checkpoints", start.net if start else None)
    lines, found = judge(net, CleanPictures(judged, others), fonts, chosen.pictures, 5)
    print(json.dumps({"lines": lines, "found": found}))
    told = {"recipe": "curation", "steps": chosen.steps, "data": "packaged backgrounds and marks made by this package, CC0"}
    save_marks(chosen.work / "marks.safetensors", Marks(net, lines), told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
