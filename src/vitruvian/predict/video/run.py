"""One clip from its first frame to its last: detect, track, predict in chunks, smooth, draw, write piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Literal, Protocol, TypeAlias

from vitruvian.predict.detect import FaintDetector
from vitruvian.predict.engine import views_at_once
from vitruvian.predict.images import from_array
from vitruvian.predict.pipeline import Predictor
from vitruvian.predict.result import ImageResult, PersonResult
from vitruvian.predict.video.clip import Clip, Reader, Still
from vitruvian.predict.video.draw import Layout, Range, draw, plan
from vitruvian.predict.video.given import GivenBoxes
from vitruvian.predict.video.memory import Memory
from vitruvian.predict.video.parts import FRAMES, Part, Parts
from vitruvian.predict.video.record import fault_record, frame_record, line_of
from vitruvian.types import Array, Keypoints, Person

DepthRange: TypeAlias = Literal["fixed", "two-pass"]
RELATIVE: Range = (0.0, 1.0)  # what models of relative depth are trained to answer in
LARGEST_CHUNK = 8  # frames that are in memory together


@dataclass(frozen=True)
class VideoOptions:
    """How clips are done. track: the only one to predict; smooth: keypoints by the One-Euro filter; limit: frames of a clip."""

    track: int | None = None
    smooth: bool = False
    depth_range: DepthRange = "fixed"
    limit: int | None = None


class Watch(Protocol):
    """Who follows the progress of a clip."""

    def begin(self, name: str, done: int, total: int | None) -> None:
        """A pass over a clip begins, so many frames of it being done."""

    def step(self, frames: int) -> None:
        """So many more are."""

    def say(self, text: str) -> None:
        """A line worth knowing."""


@dataclass
class Work:
    """One clip being done. names: its tasks; given: boxes of its people, instead of the detector's."""

    predictor: Predictor
    clip: Clip
    names: tuple[str, ...]
    options: VideoOptions
    drawn: bool
    watch: Watch
    given: GivenBoxes | None = None
    memory: Memory = field(default_factory=Memory)

    @property
    def boxes_from(self) -> str | None:
        """Where boxes come from if no detector is asked."""
        return self.predictor.boxes_from(self.names, self.given.name if self.given else None)

    @property
    def last_track(self) -> int:
        """The highest number that anybody has been given so far."""
        if self.given is not None and self.given.tracked:
            return int(self.given.track.max())
        return self.memory.tracker.given

    def run(self, reader: Reader, parts: Parts) -> None:
        """All frames into pieces; those that are whole already are not done again."""
        if parts.state is not None:
            self.memory.restore(parts.state)
            self.watch.say(f"{self.clip.name}: goes on from frame {self.memory.next}")
        layout = plan(self.names, reader.size)
        self.watch.begin(self.clip.name, self.memory.next, self.total(reader))
        chunks, chunks_a_part = self._chunks(reader), FRAMES // chunk_size(self.predictor)
        while True:
            with parts.begin(layout.size, reader.tick, reader.rate) as part:
                for chunk in islice(chunks, chunks_a_part):
                    for still, result in zip(chunk, self._seen(chunk, reader, self.names), strict=True):
                        self._write(part, still, result, reader, layout)
                    self.watch.step(len(chunk))
                    chunk.clear()  # not in memory beside the next
                if not part.frames:
                    return
                part.close(self.memory.state())

    def measure(self, reader: Reader, parts: Parts) -> Range | None:
        """The first of two passes: the least and the greatest depth of all people. Resumed like the second."""
        if (before := parts.kept("depths")) is not None:
            self.memory.restore(before)
        self.watch.begin(f"{self.clip.name}, depths", self.memory.next, self.total(reader))
        for chunk in self._chunks(reader):
            for result in self._seen(chunk, reader, ("depth",)):
                self.memory.ends = _wider(self.memory.ends, result)
            self.watch.step(len(chunk))
            chunk.clear()
            if self.memory.next % FRAMES == 0:
                parts.keep("depths", line_of(self.memory.state()))
        parts.keep("depths", line_of(self.memory.state()))
        return self.memory.ends

    def total(self, reader: Reader) -> int | None:
        """Frames there will be, if that is known."""
        known = [count for count in (reader.count, self.options.limit) if count is not None]
        return min(known) if known else None

    def _chunks(self, reader: Reader) -> Iterator[list[Still]]:
        """Frames from where memory ends, always in the same groups, so that a resumed run sums in the same order."""
        size = chunk_size(self.predictor)
        stills = islice(reader.stills(self.memory.next), self._left())
        while chunk := list(islice(stills, size)):
            self.memory.next += len(chunk)
            yield chunk

    def _left(self) -> int | None:
        return None if self.options.limit is None else max(self.options.limit - self.memory.next, 0)

    def _seen(self, chunk: Sequence[Still], reader: Reader, names: tuple[str, ...]) -> Iterator[ImageResult | None]:
        """What is known of each frame; None of one that could not be read."""
        pictures = [(still, still.pixels) for still in chunk if still.pixels is not None]
        photos = [from_array(pixels, self.clip.name) for _, pixels in pictures]
        people = [self._people(still.index, float(still.ticks * reader.tick), pixels) for still, pixels in pictures]
        results = self.predictor.predict_photos(photos, people, names, self.boxes_from)[::-1] if photos else []
        del photos, pictures
        for still in chunk:
            yield None if still.pixels is None else results.pop()

    def _people(self, index: int, time: float, pixels: Array) -> list[Person]:
        """The people of the next frame with their tracks: as given, or found and recognised; only the wanted one, if any."""
        if self.given is None and self.boxes_from is not None:  # models of whole frames
            return []
        found, sure = self._found(index, pixels)
        tracked = self.given is not None and self.given.tracked
        people = found if tracked else self.memory.tracker.update(time, found, sure)
        wanted = self.options.track
        return people if wanted is None else [person for person in people if person.track == wanted]

    def _found(self, index: int, pixels: Array) -> tuple[list[Person], float]:
        """The people of a frame, and the score from which they are sure."""
        if self.given is not None:
            return self.predictor.selection.of(self.given.people(index)), 0.0
        detector = self.predictor.detector
        return detector.detect_faint(pixels) if isinstance(detector, FaintDetector) else (detector.detect(pixels), 0.0)

    def _write(self, part: Part, still: Still, result: ImageResult | None, reader: Reader, layout: Layout) -> None:
        time, name = float(still.ticks * reader.tick), self.clip.name
        if result is None:
            part.add(line_of(fault_record(still.index, time, name, reader.size, still.fault)), None, still.ticks)
            return
        result = replace(result, people=tuple(self._steadied(found, still.index, time) for found in result.people))
        self.memory.before.forget(still.index)
        self.memory.after.forget(still.index)
        self.memory.smoother.forget(time)
        if self.memory.ends is None:
            self.memory.ends = _first_ends(result)
        picture = draw(result, layout, self.memory.ends or RELATIVE) if self.drawn else None
        part.add(line_of(frame_record(result, still.index, time, name)), picture, still.ticks)

    def _steadied(self, found: PersonResult, index: int, time: float) -> PersonResult:
        """Its keypoints measured and, if that is wanted, smoothed."""
        track, value = found.person.track, found.keypoints
        if track is None or value is None:
            return found
        self.memory.before.add(track, index, time, value.xy, value.score)
        if not self.options.smooth:
            return found
        box = found.person.box
        xy = self.memory.smoother.step(track, time, value.xy, float(max(box[2] - box[0], box[3] - box[1])))
        self.memory.after.add(track, index, time, xy, value.score)
        smooth = replace(found.predictions["pose"], value=Keypoints(xy.astype("float32"), value.score, value.skeleton))
        return replace(found, predictions={**found.predictions, "pose": smooth})


def chunk_size(predictor: Predictor) -> int:
    """Frames that are predicted together: a power of two, as many as one pass takes at least one person of."""
    views = min(views_at_once(network.spec, predictor.compute) for network in predictor.team.networks)
    size = 1
    while size * 2 <= min(views, LARGEST_CHUNK):
        size *= 2
    return size


def _wider(ends: Range | None, result: ImageResult | None) -> Range | None:
    """The range that also holds the depths of one frame more."""
    seen = [found for found in (result.frame.ranges if result else ()) if found is not None]
    seen += [ends] if ends is not None else []
    return (min(near for near, _ in seen), max(far for _, far in seen)) if seen else None


def _first_ends(result: ImageResult) -> Range | None:
    """What a fixed range is: 0 to 1 of relative depth, else what the first frame with somebody in it spans."""
    depth = result.frame.depth
    if depth is None:
        return None
    return RELATIVE if depth.kind == "relative" else _wider(None, result)
