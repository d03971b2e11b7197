"""What the terminal is told: one line a photo, problems on stderr, or JSON lines; a progress bar only where somebody looks."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from vitruvian.predict.outcome import Options, Outcome
from vitruvian.predict.pipeline import Predictor
from vitruvian.predict.record import Record
from vitruvian.predict.stored import Stored
from vitruvian.predict.video.report import clip_words, jitter_words

WHOLE_IMAGE = "whole-image"


class Report:
    """Counts outcomes and tells them. as_json: records as JSON lines on stdout, words on stderr."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.words: TextIO = sys.stderr if as_json else sys.stdout
        self.counts: Counter[str] = Counter()
        self.stored: list[Stored] = []
        self.clips: list[Record] = []
        self.people = 0
        self.detector: str | None = None  # that looked for them

    def start(self, predictor: Predictor, options: Options) -> None:
        """Model, boxes, device and precision really used."""
        names = predictor.choose(options.tasks)
        made = predictor.made_by(predictor.boxes_from(names, options.boxes.name if options.boxes else None))
        ways = {"eager": "", "compile": ", compiled", "openvino": " by openvino", "pruned": ", pruned (less exact)"}
        flipped = ways[made.engine] + (", with flip test" if made.flip_test else "")
        self.say(f"{made.model} ({made.weights[:8]}), boxes from {made.detector}, on {made.device} in {made.dtype}{flipped}")
        if made.selection:
            told = ", ".join(f"{name.replace('_', '-')} {value:g}" for name, value in made.selection.items())
            self.say(f"not all people: {told}")
        self.detector = None if options.boxes or predictor.boxes_from(names) else made.detector
        if made.detector == WHOLE_IMAGE:
            self.say("whole-image: every photo is taken for one person that fills it")

    def failed(self, name: str, message: str) -> None:
        """One line on stderr for one input that cannot be used."""
        self.counts["failed"] += 1
        if self.as_json:
            print(json.dumps({"file": name, "error": message}, ensure_ascii=False), flush=True)
        print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)

    def tell(self, outcome: Outcome, speed: str = "") -> None:
        """One line for one outcome. speed: how fast it was, of a clip that has just been done."""
        if outcome.record is None:
            self.failed(outcome.name, outcome.message)
            return
        self.counts[outcome.state] += 1
        if "video" in outcome.record:
            self.clips.append(outcome.record)
        else:
            self.people += len(outcome.record["people"])
            self.stored.append(Stored(outcome.record, outcome.path or Path(), outcome.name))
        if self.as_json:
            line = {"file": outcome.name, "state": outcome.state, "result": str(outcome.path), **outcome.record}
            print(json.dumps(line, allow_nan=False, ensure_ascii=False), flush=True)
        else:
            self.say(_line(outcome) + (f" at {speed}" if speed and outcome.state == "done" else ""))

    def end(self, options: Options, interrupted: bool = False) -> int:
        """The sum, and the exit code: 0 if every input was done."""
        done, skipped, failed = (self.counts[state] for state in ("done", "skipped", "failed"))
        parts = [f"{done} done", f"{skipped} already done" if skipped else "", f"{failed} failed" if failed else ""]
        told = ", ".join(part for part in parts if part)
        told += f"; {_people(self.people)}" if self.stored else ""
        told += f"; {jitter}" if (jitter := jitter_words(self.clips)) else ""
        told += f"; results in {options.out}" if self.stored or self.clips else ""
        if interrupted:
            print(
                f"interrupted: {told}. Finished results are kept; the same command goes on from here.",
                file=sys.stderr,
                flush=True,
            )
            return 1
        self.say(told)
        if self.detector and self.stored and not self.people:
            self.say(f"note: {self.detector} found nobody. Give boxes (--boxes), another --detector, or a lower --min-score.")
        return 1 if failed else 0

    def say(self, text: str) -> None:
        """A line of words."""
        print(text, file=self.words, flush=True)


def _line(outcome: Outcome) -> str:
    record = outcome.record or {}
    if "video" in record:
        return f"{outcome.name}: {'already done: ' if outcome.state == 'skipped' else ''}{clip_words(record)} -> {outcome.path}"
    notes = "".join(f" ({note})" for note in record["image"]["notes"])
    state = "already done: " if outcome.state == "skipped" else ""
    return f"{outcome.name}{notes}: {state}{_people(len(record['people']))} -> {outcome.path}"


def _people(count: int) -> str:
    return {0: "nobody found", 1: "1 person"}.get(count, f"{count} people")


@contextmanager
def progress(outcomes: Iterable[Outcome], total: int, shown: bool) -> Iterator[Iterable[Outcome]]:
    """The outcomes, with a bar under the printed lines if `shown` and stdout is a terminal."""
    if not shown or total < 2 or not sys.stdout.isatty():
        yield outcomes
        return
    from rich.progress import Progress  # a tenth of a second that only a watched run spends

    with Progress(transient=True) as bar:
        task = bar.add_task("photos", total=total)

        def counted() -> Iterator[Outcome]:
            for outcome in outcomes:
                yield outcome
                bar.advance(task)

        yield counted()
