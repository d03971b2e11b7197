"""Does curation pay? One pile of pictures, pretrained on whole and on what `vitruvian curate` keeps of it, at equal cost.

python -m vitruvian.recipes.curation_pays --work runs/pays --geometry runs/claims/geometry --held-out runs/claims/held-out
python -m vitruvian.recipes.curation_pays --work runs/pays --report docs/results/curation-pays.md

The pile: pictures of synthetic people, pictures without anybody, copies (exact, and saved anew), pictures with watermarks, text
or drawn. The packaged scorers choose; nothing tells them what a picture is. Then, seed by seed, the same small trunk is
pretrained as a masked autoencoder on as many views of either set, fine-tuned on the same few labelled views, and judged on
held-out people, beside the same trunk without pretraining. The first command is a resumable queue; several processes may share
one folder.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from vitruvian.curate.limits import Limits
from vitruvian.curate.run import curate, read_ledger
from vitruvian.curate.settings import Settings
from vitruvian.data.gbuffer import gbuffer_files, read_gbuffer
from vitruvian.data.images import decode_image
from vitruvian.data.loader import Example, Examples
from vitruvian.errors import UsageError, VitruvianError
from vitruvian.model import MaskedAutoencoder, Model
from vitruvian.pretrain.examples import random_crop
from vitruvian.recipes.claims.held_out import FIGURES, HeldOut
from vitruvian.recipes.claims.plan import PRETRAINED, SEEDS, autoencoder_spec, model_spec
from vitruvian.recipes.claims.queue import provenance, read_json, taken, write_json, write_text
from vitruvian.recipes.claims.tables import SHOWN, value_of
from vitruvian.recipes.claims.views import TASKS, Pool, draw_pool, is_drawn
from vitruvian.recipes.embedded import LOSS_WEIGHTS
from vitruvian.synth.appearance.backgrounds import Backgrounds
from vitruvian.synth.frames import frame_view
from vitruvian.synth.marks import PACKAGED, STYLES, caption, draw_as, watermark
from vitruvian.tasks.base import Objective
from vitruvian.tasks.mae import Mae
from vitruvian.train import TrainConfig, read_weights, train
from vitruvian.types import Array
from vitruvian.weights import encoder_for
from vitruvian.weights.load import load

KINDS = {"people": 0.25, "nobody": 0.30, "copy": 0.25, "marked": 0.20}
ARMS = ("nothing", "uncurated", "curated")
LONGEST = 320  # px of a picture of the pile
LEAST_BOX = 40.0  # px of a person; the web-scale default of 300 is for pictures of 1,000 px and more
PASS_AREA, PASS_ASPECT = (0.2, 1.0), (9 / 16, 1.0)  # of crops, for inputs of 3:4
WAIT = 10.0
COMMAND = "python -m vitruvian.recipes.curation_pays"


@dataclass(frozen=True)
class Plan:
    """pictures: of the pile; views: of a pretraining, whatever its set; labelled: of a fine-tuning; held_out: people."""

    pictures: int = 16_000
    views: int = 100_000
    labelled: int = 5_000
    held_out: int = 500

    def shortened(self, share: float) -> Plan:
        """To try the whole queue in minutes."""
        return Plan(*(max(least, round(n * share)) for n, least in zip(
            (self.pictures, self.views, self.labelled, self.held_out), (24, 128, 24, 8), strict=True)))  # fmt: skip


@dataclass(frozen=True)
class Pile:
    """Pictures as the web has them. Number i is always the same; copies are of an earlier number."""

    geometry: Path
    photos: Backgrounds
    seed: int = 11

    def kind(self, number: int) -> str:
        """A key of KINDS; the first pictures are no copies."""
        rng = np.random.default_rng([self.seed, number])
        kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
        return "people" if kind == "copy" and number < 8 else kind

    def content(self, number: int) -> bytes:
        """The file."""
        kind, rng = self.kind(number), np.random.default_rng([self.seed, number, 1])
        if kind == "copy":
            first = int(rng.integers(number))
            while self.kind(first) == "copy":
                first -= 1
            content = self.content(first)
            return content if rng.random() < 0.5 else _saved(_resized(decode_image(content, "a copy"), rng), rng)
        people = kind == "people" or (kind == "marked" and rng.random() < 0.5)
        picture = self._scene(rng, people)
        return _saved(_marked(picture, rng) if kind == "marked" else picture, rng)

    def _scene(self, rng: np.random.Generator, people: bool) -> Array:
        files = gbuffer_files(self.geometry)
        groups = [read_gbuffer(files[int(i)]) for i in rng.integers(len(files), size=int(rng.integers(1, 3)) if people else 0)]
        return frame_view(groups, rng, (LONGEST, LONGEST), backgrounds=self.photos)[0].image


def _marked(picture: Array, rng: np.random.Generator) -> Array:
    kind = rng.random()
    if kind < 0.4:
        return watermark(picture, PACKAGED, rng)[0]
    return caption(picture, PACKAGED, rng)[0] if kind < 0.7 else draw_as(str(rng.choice(list(STYLES))), picture, rng)


def _resized(picture: Array, rng: np.random.Generator) -> Array:
    scale = rng.uniform(0.8, 1.0)
    out: Array = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return out


def _saved(picture: Array, rng: np.random.Generator) -> bytes:
    return bytes(cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(75, 96))])[1])


def make_pile(folder: Path, pile: Pile, count: int) -> None:
    """Write what is missing of the first `count` pictures, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        if not path.is_file():
            temporary = path.with_suffix(".tmp")
            temporary.write_bytes(pile.content(number))
            temporary.replace(path)


def limits() -> Limits:
    """The defaults, but for what depends on the size of the pictures and on what the packaged detector can be sure of."""
    options = load("person").model.spec.heads[0].options
    return Limits(side=120, box=LEAST_BOX, person=float(options["threshold"]))


def curated_files(out: Path) -> list[bytes]:
    """What is kept, from the shards themselves."""
    files = []
    for shard in sorted((out / "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            members = [m for m in tar.getmembers() if m.isfile() and not m.name.endswith(".json")]
            files += [content.read() for m in members if (content := tar.extractfile(m)) is not None]
    return files


@dataclass(frozen=True)
class Windows:
    """Random parts of the pictures of a set, mirrored by half, squeezed to the input; their own targets."""

    files: tuple[bytes, ...]
    size: tuple[int, int]
    patches: int

    def __len__(self) -> int:
        return len(self.files)

    def example(self, index: int, rng: np.random.Generator) -> Example:
        """Picture `index` as `rng` has it."""
        pixels = decode_image(self.files[index], str(index))
        left, top, width, height = random_crop(pixels.shape[:2], PASS_AREA, PASS_ASPECT, rng)
        part = pixels[top : top + height, left : left + width]
        image = cv2.resize(part, self.size[::-1], interpolation=cv2.INTER_AREA if height > self.size[0] else cv2.INTER_CUBIC)
        image = np.ascontiguousarray(image[:, ::-1] if rng.random() < 0.5 else image)
        return image, {"mae": {"noise": rng.random(self.patches, np.float32)}}, str(index)


@dataclass(frozen=True)
class Queue:
    """All runs in one folder. threads, workers: of each process."""

    work: Path
    plan: Plan
    geometry: Path
    judge: HeldOut
    threads: int = 1
    workers: int = 0

    def work_off(self) -> bool:
        """Until all is done, by this process or by others; False where it was told to stop."""
        self._prepare()
        while missing := [(arm, seed) for seed in SEEDS for arm in ARMS if self.result(arm, seed) is None]:
            ends = (end for arm, seed in missing if (end := self._attempt(arm, seed)) is not None)
            ended = next(ends, None)
            if ended is False:
                return False
            if ended is None:
                time.sleep(WAIT)
        return True

    def result(self, arm: str, seed: int) -> dict[str, Any] | None:
        """Of a finished run."""
        return read_json(self.work / f"{arm}-{seed}" / "result.json")

    def _prepare(self) -> None:
        """The pile, and what is kept of it; one process makes them while others wait."""
        while True:
            with taken(self.work, "pile") as mine:
                if mine:
                    pile = Pile(self.geometry, Backgrounds.load())
                    make_pile(self.work / "pile", pile, self.plan.pictures)
                    settings = Settings(limits(), all_scores=True)
                    curate([str(self.work / "pile")], self.work / "curated", settings, workers=self.workers + 1)
                    kinds = {f"{number:06d}": pile.kind(number) for number in range(self.plan.pictures)}
                    write_json(self.work / "kept.json", kept_by_kind(self.work / "curated", kinds))
                    return
            time.sleep(WAIT)

    def _attempt(self, arm: str, seed: int) -> bool | None:
        with taken(self.work, f"{arm}-{seed}") as mine:
            pool = self._pool(seed) if mine and self.result(arm, seed) is None else None
            if pool is None:
                return None
            print(f"{arm}, seed {seed}", flush=True)
            torch.manual_seed(seed)
            encoder = MaskedAutoencoder(autoencoder_spec(PRETRAINED))
            if arm != "nothing" and not self._pretrain(encoder, arm, seed):
                return False
            return self._finetune(encoder, arm, seed, pool)

    def _pool(self, seed: int) -> Pool | None:
        pool = Pool(self.work / f"views-{seed}", model_spec(PRETRAINED), self.plan.labelled)
        with taken(self.work, pool.folder.name) as mine:
            if mine and not is_drawn(pool):
                draw_pool(pool, self.geometry, seed, self.workers + 1)
        return pool if is_drawn(pool) else None

    def _pretrain(self, encoder: MaskedAutoencoder, arm: str, seed: int) -> bool:
        """Train it on the views of its set; its last weights are in it then."""
        config = self._config(f"{arm}-{seed}-encoder", self.plan.views, 32, seed, betas=(0.9, 0.95),
                              no_decay=("position", "mask_token", "norm"))  # fmt: skip
        if not train(config, encoder, [Mae()], self._windows(arm)).finished:
            return False
        encoder.load_state_dict(read_weights(config.folder))
        return True

    def _windows(self, arm: str) -> Windows:
        whole = [path.read_bytes() for path in sorted((self.work / "pile").glob("*.jpg"))] if arm == "uncurated" else None
        files = curated_files(self.work / "curated") if whole is None else whole
        spec = autoencoder_spec(PRETRAINED)
        return Windows(tuple(files), spec.size, spec.grid[0] * spec.grid[1])

    def _finetune(self, encoder: MaskedAutoencoder, arm: str, seed: int, pool: Examples) -> bool:
        torch.manual_seed(1000 + seed)
        spec = model_spec(PRETRAINED)
        model = Model(spec)
        state, _ = encoder_for(spec, encoder)
        model.load_state_dict({**model.state_dict(), **state})
        tasks: list[Objective] = list(TASKS.values())
        config = self._config(f"{arm}-{seed}", self.plan.labelled, 16, seed, ema=0.98, loss_weights=LOSS_WEIGHTS)
        if not train(config, model, tasks, pool).finished:
            return False
        model.load_state_dict(read_weights(config.folder))
        figures = self.judge.figures(model.eval())
        write_json(config.folder / "result.json", {"figures": figures, "made_by": provenance(config)})
        return True

    def _config(self, name: str, views: int, batch: int, seed: int, **more: Any) -> TrainConfig:
        steps = views // batch
        return TrainConfig(
            folder=self.work / name, steps=steps, batch=batch, lr=1e-3, warmup=steps // 20, schedule="cosine", floor=0.01,
            seed=100 + seed, threads=self.threads, workers=self.workers, keep=1, log_every=max(1, min(50, steps // 4)),
            checkpoint_every=250, **more,
        )  # fmt: skip


def kept_by_kind(out: Path, kinds: dict[str, str]) -> dict[str, dict[str, int]]:
    """Kind -> stage that took its pictures, or `kept`, -> how many."""
    table: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for row in read_ledger(out):
        table[kinds[Path(row["source"]).stem]][row["stage"] or "kept"] += 1
    return {kind: dict(sorted(counts.items())) for kind, counts in table.items()}


def report(work: Path, commit: str) -> Iterator[str]:
    """The lines of the page. UsageError where nothing is finished."""
    plan = Plan(**(read_json(work / "plan.json") or {}))
    found = {(arm, seed): read_json(work / f"{arm}-{seed}" / "result.json") for arm in ARMS for seed in SEEDS}
    done = {key: one for key, one in found.items() if one is not None}
    if not done:
        raise UsageError(f"{work} has no finished run yet. Fix: the same command without --report first.")
    made = next(iter(done.values()))["made_by"]
    kept = read_json(work / "kept.json") or {}
    total = sum(one.get("kept", 0) for one in kept.values())
    yield from (
        "# Does curation pay?", "",
        f"`{COMMAND} --work runs/pays` · commit {commit} · {made['date']} ·",
        f"{made['hardware']} · {made['precision']}, {made['software']}", "",
        f"A pile of {plan.pictures:,} pictures of {LONGEST} px; `vitruvian curate` with the packaged scorers keeps {total:,}.",
        f"The same trunk (medium of [the claims](claims.md)) is pretrained on {plan.views:,} views of either set, fine-tuned",
        f"on {plan.labelled:,} labelled views, judged on {plan.held_out} held-out people;",
        f"{len(done)} of {len(found)} runs are finished.",
        "", "| figure | no pretraining | the whole pile | curated | curated over whole, seeds 1, 2, 3 | verdict |",
        "| --- | --- | --- | --- | --- | --- |",
    )  # fmt: skip
    for name, shown in SHOWN.items():
        values = {arm: [done[arm, seed]["figures"][name] for seed in SEEDS if (arm, seed) in done] for arm in ARMS}
        cells = [_spread(values[arm], shown) for arm in ARMS]
        sign = 1 if FIGURES[name] else -1
        gains = [sign * (done["curated", s]["figures"][name] - done["uncurated", s]["figures"][name])
                 for s in SEEDS if ("curated", s) in done and ("uncurated", s) in done]  # fmt: skip
        told = ", ".join(f"{gain * shown.factor:+.{shown.digits}f}" for gain in gains)
        yield f"| {shown.words} | {' | '.join(cells)} | {told or '–'} | {verdict(gains)} |"
    yield from ("", "What curation has kept (truth at the left, which it was not told):", "")
    stages = sorted({stage for one in kept.values() for stage in one} - {"kept"})
    yield f"| pictures | all | kept | {' | '.join(stages)} |"
    yield "| --- " * (len(stages) + 3) + "|"
    for kind, counts in kept.items():
        taken_by = (counts.get(stage, 0) for stage in stages)
        yield f"| {kind} | {sum(counts.values()):,} | {counts.get('kept', 0):,} | {' | '.join(f'{n:,}' for n in taken_by)} |"


def _spread(values: Sequence[float], shown: Any) -> str:
    if not values:
        return "–"
    mean = value_of(statistics.fmean(values), shown)
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values) * shown.factor:.{shown.digits}f}"


def verdict(gains: Sequence[float]) -> str:
    """Of the differences seed by seed."""
    if len(gains) < len(SEEDS):
        return f"open: {len(gains)} of {len(SEEDS)} seeds"
    wins = sum(gain > 0 for gain in gains)
    return "pays" if wins == len(gains) else "does not pay" if wins == 0 else f"undecided: {wins} of {len(gains)}"


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all is done, 1 when it was told to stop or something is wrong."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder of the pile, shards, checkpoints and results")
    parser.add_argument("--geometry", type=Path, help="frames of `vitruvian synth` for the pile and for labelled views")
    parser.add_argument("--held-out", type=Path, help="frames of another seed to judge by")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of all that takes time; 0.01 tries the queue in minutes")
    parser.add_argument("--report", type=Path, metavar="FILE.md", help="train nothing; write the page")
    parser.add_argument("--commit", default="", help="of the sources that the runs were made with, for the page")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.report:
            write_text(chosen.report, "\n".join(report(chosen.work, chosen.commit)) + "\n")
            print(chosen.report)
            return 0
        if chosen.geometry is None or chosen.held_out is None:
            raise UsageError("--geometry and --held-out are needed: two folders of `vitruvian synth` of different seeds.")
        plan = Plan() if chosen.share == 1 else Plan().shortened(chosen.share)
        if (before := read_json(chosen.work / "plan.json")) not in (None, vars(plan)):
            raise UsageError(f"{chosen.work} was begun with {before}. Fix: the same --share, or another --work.")
        write_json(chosen.work / "plan.json", vars(plan))
        judge = HeldOut(chosen.held_out, model_spec(PRETRAINED), plan.held_out)
        return 0 if Queue(chosen.work, plan, chosen.geometry, judge, chosen.threads, chosen.workers).work_off() else 1
    except VitruvianError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
