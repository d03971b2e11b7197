"""The embedded engine: list, look, ask the models as far as duplicates leave it open, pack, write the ledger.

Every task writes one file, whole or not at all, and what a task is depends on the inputs alone, not on who does it: so the same
command goes on after any kill, and the ledger is the same with any number of workers.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vitruvian.curate.alike import alike
from vitruvian.curate.cluster import left_over, perform_on_ray
from vitruvian.curate.decide import KEPT, Verdict, by_looks, decide, share_scores
from vitruvian.curate.duplicates import Pair
from vitruvian.curate.edit import Edit, make_edits
from vitruvian.curate.embed import Embedder, make_embedder
from vitruvian.curate.fetch import Fetcher, Manners, fetch, is_url
from vitruvian.curate.inputs import list_inputs
from vitruvian.curate.limits import PACK, Stage
from vitruvian.curate.place import Place
from vitruvian.curate.pool import Task, perform
from vitruvian.curate.record import (
    DROP,
    EMBEDDED,
    KEEP,
    Row,
    embed_schema,
    input_schema,
    is_whole,
    ledger_schema,
    look_schema,
    pack_schema,
    read_rows,
    score_schema,
    unwritable,
    write_rows,
)
from vitruvian.curate.scorer import Scorer
from vitruvian.curate.settings import Settings, make_scorers, stages_of
from vitruvian.errors import UsageError, VitruvianError

CHUNK = 64  # images of a task
FETCHED = 256  # addresses whose answers go into one file
USUAL = Manners()
LEDGER_ROWS = 100_000  # of one file


@dataclass(frozen=True)
class Outcome:
    """Counts of the ledger: by stage that took an image, "" for kept ones. before: the run was finished already."""

    stages: dict[str, int]
    before: bool = False

    @property
    def kept(self) -> int:
        """Images in the shards."""
        return self.stages.get("", 0)

    @property
    def total(self) -> int:
        """Inputs."""
        return sum(self.stages.values())


def curate(
    sources: Sequence[str],
    out: Path,
    settings: Settings,
    workers: int = 1,
    patience: float = 120,
    console: Console | None = None,
    manners: Manners = USUAL,
    ray: str | None = None,
) -> Outcome:
    """Curate `sources` into `out`; the same call goes on where one was stopped. UsageError for wrong words."""
    place = Place(out)
    asked = models_of(settings)  # wrong names speak up
    models, costs = [{"model": name} for name in asked], {name: one.cost for name, one in asked.items()}
    told = {"sources": [str(s) for s in sources], **settings.as_json(), "models": models}
    with place.alone():
        found = [list_inputs(sources, out)] if place.told() is None else []  # wrong sources must not make the folder a run's
        place.begin(told, Settings().as_json())
        if place.finished:
            return finished_before(place, told | {"milliseconds": costs})
        run = Run(place, settings, workers, patience, console, manners, ray)
        run.listing(lambda: found.pop() if found else list_inputs(sources, out))  # as large as the rows: not held twice
        found.clear()
        stages = run.finish(*run.measure(run.listed()))
        place.tell(told | {"stages": stages, "milliseconds": costs})
        place.clear()
    return Outcome(stages)


@dataclass(frozen=True)
class Run:
    """One run at work in its folder."""

    place: Place
    settings: Settings
    workers: int
    patience: float
    console: Console | None
    manners: Manners = USUAL
    ray: str | None = None

    def listing(self, find: Callable[[], list[Row]]) -> None:
        """Write the listing of the first start: what came into the folders since then belongs to another run."""
        if not is_whole(self.place.inputs):
            write_rows(self.place.inputs, find(), input_schema())

    def listed(self) -> list[Row]:
        """The listing, with the places of what had to be fetched. That happens here: a host is one host to all workers."""
        inputs = read_rows(self.place.inputs)
        far = [one for one in inputs if is_url(one["source"]) and not one["problem"]]
        fetcher = Fetcher(self.manners)
        for number, begin in enumerate(range(0, len(far), FETCHED)):
            target = self.place.part("fetch", number)
            if not is_whole(target):
                part = fetch(far[begin : begin + FETCHED], self.place.store(number), fetcher, self.manners.threads)
                write_rows(target, part, input_schema())
            for row in read_rows(target):
                inputs[row["index"]] = row
        return inputs

    def measure(self, rows: list[Row]) -> tuple[list[Row], list[Pair]]:
        """The rows of the listing, filled with all that decides, and which of them show one picture. Models see what is open
        until nothing is."""
        for row, looks in zip(rows, self._do("look", rows, look_schema(), CHUNK), strict=True):
            row |= looks
        self._embed(rows)
        with self._waiting("comparing"):
            pairs = alike(rows, self.settings.limits)
        stages = stages_of(self.settings)
        scores = columns_of(stages)
        todo = [row["index"] for row in rows if not row["stage"]] if self.settings.all_scores else self._open(rows, pairs)
        number = 0
        while todo:
            for told in self._do(f"score-{number}", [rows[i] for i in todo], score_schema(scores), CHUNK):
                rows[told["index"]] |= told
            number += 1
            todo = [] if self.settings.all_scores else self._open(rows, pairs)
        share_scores(rows, stages)
        return rows, pairs

    def _embed(self, rows: list[Row]) -> None:
        """Of every image that its looks let through, or with `all_scores` of all; of exact copies the first that is there."""
        number = 0
        while self.settings.embedding:
            known = {row["sha256"] for row in rows if row.get("vector") is not None}
            firsts: dict[str, int] = {}
            for row in rows:
                if not row["stage"] and (self.settings.all_scores or by_looks(row, self.settings.limits) is None):
                    firsts.setdefault(row["sha256"], row["index"])
            todo = [index for content, index in firsts.items() if content not in known]
            if not todo:
                break
            for told in self._do(f"embed-{number}", [rows[i] for i in todo], embed_schema(), CHUNK):
                rows[told["index"]] |= told
            number += 1

    def _open(self, rows: list[Row], pairs: Sequence[Pair]) -> list[int]:
        return sorted(decide(rows, self.settings.limits, stages_of(self.settings), pairs).open)

    def finish(self, rows: list[Row], pairs: Sequence[Pair]) -> dict[str, int]:
        """Decide, write the shards, then the ledger; returns how many images each stage has taken."""
        stages = stages_of(self.settings)
        decided = decide(rows, self.settings.limits, stages, pairs).verdicts
        verdicts = [verdict for verdict in decided if verdict is not None]
        if len(verdicts) < len(rows):  # never to be taken for kept
            raise VitruvianError(f"{len(rows) - len(verdicts)} images were never scored. Fix: run it anew, into another --out.")
        scores = columns_of(stages)
        kept = [row for row, v in zip(rows, verdicts, strict=True) if v == KEPT]
        packed = {row["index"]: row for row in self._do("pack", kept, pack_schema(), self.settings.shard_size)}
        ledger = (ledger_row(row, v, rows, packed.get(row["index"])) for row, v in zip(rows, verdicts, strict=True))
        return write_ledger(self.place.ledger, ledger, ledger_schema(scores, bool(self.settings.embedding)))

    def _do(self, kind: str, inputs: Sequence[Row], schema: Any, size: int) -> Iterator[Row]:
        """The rows of all tasks of one kind, in the order of the inputs; those that are done are not done again."""
        parts = [[_light(one) for one in inputs[begin : begin + size]] for begin in range(0, len(inputs), size)]
        targets = [self.place.part(kind, number) for number in range(len(parts))]
        word = kind.partition("-")[0]
        tasks = [
            Task(word, target, part, self.settings, schema, self.place.shard(number) if word == "pack" else None)
            for number, (target, part) in enumerate(zip(targets, parts, strict=True))
            if not is_whole(target)
        ]
        for _ in self._watched(self._perform(tasks), kind, len(parts), len(tasks)):
            pass
        return (row for target in targets for row in read_rows(target))

    def _perform(self, tasks: list[Task]) -> Iterator[Task]:
        """What a cluster has lost for good, as by an image that kills whoever reads it, is done here, where that is named."""
        if self.ray and tasks:
            yield from perform_on_ray(tasks, self.workers, self.ray)
            tasks = left_over(tasks)
        yield from perform(tasks, min(max(self.workers, 1 if self.ray else 0), len(tasks)), self.patience)

    def _waiting(self, word: str) -> contextlib.AbstractContextManager[object]:
        quiet = self.console is None or not self.console.is_terminal or not self.settings.embedding
        return contextlib.nullcontext() if quiet or self.console is None else self.console.status(word)

    def _watched(self, tasks: Iterator[Task], kind: str, total: int, left: int) -> Iterator[Task]:
        columns = (TextColumn(f"{kind:8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        quiet = self.console is None or not self.console.is_terminal
        with Progress(*columns, console=self.console, disable=quiet) as progress:
            yield from progress.track(tasks, total=total, completed=total - left)


def finished_before(place: Place, told: dict[str, Any]) -> Outcome:
    """The counts of a ledger that is there; a kill after it was written may have left the rest to do."""
    stages = dict(Counter(row["stage"] for row in read_ledger(place.out)))
    place.tell(told | {"stages": stages})
    place.clear()
    return Outcome(stages, before=True)


def models_of(settings: Settings) -> dict[str, Scorer | Embedder | Edit]:
    """Every model of a run by what it is told as, made once so that wrong names speak up before anything is done."""
    made: dict[str, Scorer | Embedder | Edit] = {}
    if settings.embedding:
        embedder = make_embedder(settings.embedding, settings.device)
        made[f"embedding: {embedder.model}"] = embedder
    made |= {scorer.model: scorer for scorer in make_scorers(settings)}
    return made | {f"edit {name}: {edit.model}": edit for name, edit in make_edits(settings).items()}


def _light(row: Row) -> Row:
    """Without what is only compared: it need not go to every worker."""
    return {name: value for name, value in row.items() if name not in EMBEDDED} if "vector" in row else row


def columns_of(stages: Sequence[Stage]) -> list[str]:
    """Scores that decide, each once."""
    return list(dict.fromkeys(bound.score for stage in stages for bound in stage.bounds))


def ledger_row(row: Row, verdict: Verdict, rows: Sequence[Row], packed: Row | None) -> Row:
    """One line of the ledger."""
    if packed is not None and packed["reason"]:
        verdict = Verdict(PACK, packed["reason"])
    stored = {name: packed.get(name) if packed else None for name in ("shard", "key", "edited")}
    twin = None if verdict.twin is None else rows[verdict.twin]["source"]
    told = {"decision": DROP if verdict.stage else KEEP, "stage": verdict.stage, "reason": verdict.reason,
            "duplicate_of": twin, "distance": verdict.distance}  # fmt: skip
    return {**row, **told, **stored}


def write_ledger(folder: Path, rows: Iterator[Row], schema: Any) -> dict[str, int]:
    """All files of the ledger, or none: a folder that is there is complete. Counts of the stages; rows are not kept."""
    temporary, stages = folder.with_name(f".{folder.name}.tmp"), Counter[str]()
    for number in count():
        part = list(islice(rows, LEDGER_ROWS))
        if part or number == 0:
            write_rows(temporary / f"{number:06d}.parquet", part, schema)
        stages.update(row["stage"] for row in part)
        if len(part) < LEDGER_ROWS:
            break
    try:
        temporary.replace(folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    return dict(stages)


def read_ledger(out: Path, embedded: bool = False) -> list[Row]:
    """Every row of a finished run, by index; `embedded`: with vectors and points. UsageError where it is none."""
    parts = sorted(Place(out).ledger.glob("*.parquet"))
    if not parts:
        raise UsageError(f"{out}: no ledger. Fix: the folder (--out) of a run of `vitruvian curate` that has finished.")
    return [row for part in parts for row in read_rows(part, () if embedded else EMBEDDED)]
