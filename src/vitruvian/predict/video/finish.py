"""The pieces of a clip become its results: frames, tracks, overlay with sound, and the record that says what they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from vitruvian.errors import InputError
from vitruvian.predict.record import FORMAT, Record, to_text
from vitruvian.predict.video.clip import Reader
from vitruvian.predict.video.draw import plan
from vitruvian.predict.video.encode import encoder_name, join
from vitruvian.predict.video.names import ENDINGS
from vitruvian.predict.video.parts import Parts
from vitruvian.predict.video.record import Census, jitter_record, write_tables
from vitruvian.predict.video.run import Work
from vitruvian.predict.video.smooth import FORGET, GROWTH, SLOWEST, SPEED_CUTOFF
from vitruvian.tasks.pose import Pose
from vitruvian.vocab import skeleton

FOREVER = Fraction(10**9)  # seconds


def place_of(base: Path, kind: str) -> Path:
    """Where a result goes. base: the path of all results, without their endings."""
    return base.with_name(f"{base.name}.{ENDINGS[kind]}")


def finish(parts: Parts, reader: Reader, work: Work, base: Path, fingerprint: Mapping[str, Any]) -> Record:
    """Write all results beside the pieces, then move them into place, the record last. Returns the record.

    InputError where nobody has the one track that is wanted.
    """
    staged = {kind: parts.folder / f"{kind}.{os.getpid()}.tmp" for kind in ENDINGS}
    census = write_tables(parts.lines(), staged["frames"], staged["tracks"], _points(work))
    _check_wanted(work, census)
    overlay = _overlay(parts, reader, work, census, staged["overlay"])
    kinds = [kind for kind in ENDINGS if kind != "record" and (overlay or kind != "overlay")]
    record = _Summary(work, reader, census).record()
    record |= {"overlay": overlay} if overlay else {}
    record |= {"files": {kind: place_of(base, kind).name for kind in kinds}, "fingerprint": dict(fingerprint)}
    staged["record"].write_text(to_text(record) + "\n", encoding="utf-8")
    place_of(base, "record").unlink(missing_ok=True)  # a record never stands beside files that are not its own
    for kind in (*kinds, "record"):
        staged[kind].replace(place_of(base, kind))
    return record


def _points(work: Work) -> tuple[str, ...]:
    """Names of the keypoints that the model answers in; none where poses are not asked for."""
    said = work.predictor.team.by_task["pose"].tasks["pose"] if "pose" in work.names else None
    return skeleton(said.skeleton).names if isinstance(said, Pose) else ()


def _check_wanted(work: Work, census: Census) -> None:
    wanted, last = work.options.track, work.last_track
    if wanted is None or census.people:
        return
    path = work.clip.path
    raise InputError(
        f"{path}: nobody has track {wanted}. Allowed: 1 to {last}." if last else f"{path}: nobody found, so no track {wanted}."
    )


def _overlay(parts: Parts, reader: Reader, work: Work, census: Census, target: Path) -> Record | None:
    """The overlay video at `target`; None where nothing was drawn."""
    pictures = parts.pictures()
    if not pictures:
        return None
    sound = work.clip.path if work.clip.path.is_file() else None  # a sequence and a camera are silent
    end = FOREVER if census.frames != work.options.limit else Fraction(census.seconds) + 1 / reader.rate
    told = join(pictures, target, sound, end)
    height, width = plan(work.names, reader.size).size
    return {"width": width, "height": height, "encoder": encoder_name(), "sound": told}


@dataclass(frozen=True)
class _Summary:
    work: Work
    reader: Reader
    census: Census

    def record(self) -> Record:
        """All that is known of a clip but what its files are called."""
        work, smooth = self.work, self.work.options.smooth
        memory = work.memory
        return {
            "format": FORMAT,
            "video": self._video(),
            "made_by": asdict(work.predictor.made_by(work.boxes_from)),
            "tasks": list(work.names),
            "tracks": list(self.census.tracks.values()),
            "only_track": work.options.track,
            "smooth": _filter() if smooth else None,
            "jitter": jitter_record(memory.before.mean, memory.after.mean, memory.before.count, smooth),
            **({"depth_colors": self._colors()} if "depth" in work.names else {}),
        }

    def _video(self) -> Record:
        census, reader = self.census, self.reader
        cut = census.frames == self.work.options.limit and not census.faults  # the user, not the clip, ended it
        unreadable = f"{census.faults} frames cannot be read, the first: {census.first_fault}" if census.faults else ""
        return {
            "file": self.work.clip.name,
            "width": reader.size[1],
            "height": reader.size[0],
            "frames": census.frames,
            "seconds": census.seconds,
            "rate": round(float(reader.rate), 4),
            "notes": list(reader.notes),
            "problem": "" if cut else reader.problem or unreadable,
        }

    def _colors(self) -> Record:
        near, far = self.work.memory.ends or (None, None)
        return {"range": self.work.options.depth_range, "near": near, "far": far}


def _filter() -> Record:
    cutoffs = {"slowest_hz": SLOWEST, "growth_hz": GROWTH, "speed_cutoff_hz": SPEED_CUTOFF, "forget_s": FORGET}
    return {"method": "one-euro", **cutoffs}
