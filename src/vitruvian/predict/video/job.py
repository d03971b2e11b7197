"""A clip's results: what is done is skipped, what was begun goes on, what fails is told, the other clips are finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from vitruvian import __version__
from vitruvian.errors import InputError, UsageError
from vitruvian.predict.outcome import Options, Outcome, attempt, earlier, fingerprint, spare, with_what_was_there
from vitruvian.predict.pipeline import Predictor
from vitruvian.predict.record import Record, to_text
from vitruvian.predict.video.clip import Clip, Reader
from vitruvian.predict.video.draw import Range
from vitruvian.predict.video.file import need_extra
from vitruvian.predict.video.finish import finish, place_of
from vitruvian.predict.video.given import GivenBoxes, read_given
from vitruvian.predict.video.names import ENDINGS
from vitruvian.predict.video.parts import FRAMES, Parts
from vitruvian.predict.video.run import VideoOptions, Watch, Work, chunk_size
from vitruvian.predict.write import files_of, is_done, is_same


def predict_clips(
    predictor: Predictor, clips: Sequence[Clip], options: Options, video: VideoOptions, watch: Watch
) -> Iterator[Outcome]:
    """One outcome a clip, in order; as `files.predict_files` for photos. What is wrong for all clips is told at once:

    UsageError for tasks the model has not and for a boxes file with several clips, InputError for one that cannot be used.
    """
    names = predictor.team.choose(options.tasks)
    _check(video, names, options, clips)
    given = read_given(options.boxes) if options.boxes is not None and clips else None
    jobs = (_Job(predictor, clip, options, video, watch, given) for clip in clips)
    return (attempt(partial(job.do, names), job.clip.path, "clip", options.out) for job in jobs)


def _check(video: VideoOptions, names: Sequence[str], options: Options, clips: Sequence[Clip]) -> None:
    if video.depth_range == "two-pass" and not (options.draw and "depth" in names):
        raise UsageError(
            "--depth-range two-pass is about colours of depth. Fix: --draw and --tasks with depth, or leave it out."
        )
    if options.boxes is not None and len(clips) > 1:
        raise UsageError(f"--boxes {options.boxes} with {len(clips)} videos. Allowed: one, since its frames are only numbered.")


@dataclass(frozen=True)
class _Job:
    predictor: Predictor
    clip: Clip
    options: Options
    video: VideoOptions
    watch: Watch
    given: GivenBoxes | None

    @property
    def base(self) -> Path:
        """The path of the results, without their endings."""
        return self.options.out / self.clip.stem

    def do(self, names: tuple[str, ...]) -> Outcome:
        need_extra(str(self.clip.path))
        wanted, draw = self._fingerprint(names), self.options.draw
        before = self._before(wanted)
        if before is not None and not self.options.overwrite:
            if is_same(before, wanted) and is_done(before, self.base.parent, names, draw):
                return self._outcome(before, "skipped")
            names, draw = with_what_was_there(before, names, draw)
        self.base.parent.mkdir(parents=True, exist_ok=True)
        with self.clip.open() as reader:
            parts, work = self._parts(wanted, names, draw), self._work(reader, names, draw)
            work.memory.ends = self._measured(parts, names)
            work.run(reader, parts)
            record = finish(parts, reader, work, self.base, wanted)
        for kind, old in files_of(before).items():
            if kind not in record["files"] and old == place_of(self.base, kind).name:
                place_of(self.base, kind).unlink(missing_ok=True)
        parts.remove()
        return self._outcome(record, "done")

    def _parts(self, wanted: Mapping[str, Any], names: tuple[str, ...], draw: bool) -> Parts:
        """What an unfinished earlier run with the same plan left, or an empty folder."""
        plan = {**wanted, "tasks": names, "draw": draw, "chunk": chunk_size(self.predictor), "piece": FRAMES}
        parts = Parts(self._folder(), {**plan, "version": __version__})
        if parts.dropped:
            self.watch.say(f"{self.clip.path}: begun anew, an unfinished earlier run was made in another way")
        return parts

    def _work(self, reader: Reader, names: tuple[str, ...], draw: bool) -> Work:
        given = self.given and self.given.within(reader.size)
        return Work(self.predictor, self.clip, names, self.video, draw, self.watch, given)

    def _measured(self, parts: Parts, names: tuple[str, ...]) -> Range | None:
        """The range of depths that the first of two passes has found; None if there is one pass only."""
        if self.video.depth_range == "fixed":
            return None
        if self.clip.live:
            raise InputError(f"{self.clip.path}: a camera cannot be seen twice. Fix: leave --depth-range two-pass out.")
        if parts.kept("range") is None:
            with self.clip.open() as reader:
                first = self._work(reader, names, draw=False)
                parts.keep("range", to_text({"ends": first.measure(reader, parts)}))
        ends = parts.kept("range")["ends"]
        return None if ends is None else (ends[0], ends[1])

    def _outcome(self, record: Record, state: Literal["done", "skipped"]) -> Outcome:
        """Done, or failed where the clip was not whole; what could be done is kept all the same."""
        path = place_of(self.base, "record")
        if problem := record["video"].get("problem"):
            kept = f"{record['video']['frames']} frames are in {path}"
            return Outcome(
                str(self.clip.path), "failed", f"{self.clip.path}: {problem}; {kept}. Fix: copy or export the clip again."
            )
        return Outcome(str(self.clip.path), state, record=record, path=path)

    def _folder(self) -> Path:
        folder = self.base.with_name(f".{self.base.name}.parts")
        if self.clip.live and folder.exists():
            raise InputError(f"{folder} is in the way. Fix: remove it.")
        return folder

    def _before(self, wanted: Mapping[str, Any]) -> Record | None:
        """The record of an earlier run; InputError where it is of another clip, or where files of others would be replaced."""
        path = place_of(self.base, "record")
        before = earlier(path, self.clip.path, wanted, "clip", self.options.overwrite)
        if not self._folder().exists():  # else an earlier run was stopped while it put its results into place
            spare((place_of(self.base, kind) for kind in ENDINGS), path, before)
        return before

    def _fingerprint(self, names: tuple[str, ...]) -> dict[str, Any]:
        where = str(self.clip.path if self.clip.live else self.clip.path.resolve())
        boxes = self.given.digest() if self.given else ""
        return {**fingerprint(self.predictor, names, "clip", self.clip.digest(), where, boxes), **asdict(self.video)}
