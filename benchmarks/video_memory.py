"""Does `vitruvian predict` hold a long clip in constant memory, and does a killed run go on to the same result?

python benchmarks/video_memory.py [--frames 1000] [--sizes 320x180 640x360 1280x720] [--kills 3] [--out docs/results]

For each size (width x height) a clip is made: synthetic people walk before a photo, come and go, the frames at uneven times,
with sound. `predict` does it in a process of its own whose resident memory is read from /proc twice a second; then again,
killed by signal 9 at random moments and called anew each time. All results of both must be the same: bytes of the JSON lines,
the table and the record; times, pixels and sound of the overlay. Linux only. Exit code 1 if memory grows or anything differs.
Puts a row a size into video.json, the others stay.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from rows import merge_rows

from vitruvian.data.gbuffer import gbuffer_files, read_gbuffer
from vitruvian.device import processor
from vitruvian.evaluate.report import table
from vitruvian.predict.video.parts import FRAMES
from vitruvian.synth.appearance import Backgrounds, people_in_sight, view
from vitruvian.synth.dataset.generate import generate

TALL, WIDE = 384, 288  # px of a cut-out
WARM = 0.2  # share of a run that is not looked at: libraries and buffers come into being
GROWTH = 0.05  # of memory from there to the end that is not called growth
SEED = 7


def cut_outs(folder: Path, count: int = 4) -> list[np.ndarray]:
    """Whole people as RGBA."""
    generate(folder, 15 * count, (TALL, WIDE), SEED, workers=0, images=False)
    rng, found = np.random.default_rng(SEED), []
    for file in gbuffer_files(folder):
        frame = read_gbuffer(file)
        if people_in_sight(frame) and len(found) < count:
            sample, _ = view(frame, people_in_sight(frame)[0], rng, (TALL, WIDE))
            if sample.mask.any(1).sum() < 0.6 * TALL or sample.mask[[0, -1]].any() or sample.mask[:, [0, -1]].any():
                continue
            alpha = cv2.GaussianBlur(sample.mask.astype(np.float32), (3, 3), 0)[..., None]
            found.append(np.concatenate([sample.image.astype(np.float32), alpha], 2))
    if len(found) < count:
        raise SystemExit(f"only {len(found)} of {count} whole people among the synthetic ones")
    return found


def pictures(people: Sequence[np.ndarray], frames: int, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 RGB: each person walks up and down the frame and is away a third of the time, each at another one."""
    height, width = size
    behind = Backgrounds.load().window(np.random.default_rng(SEED), size)
    scale = 0.75 * height / TALL
    small = [cv2.resize(person, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for person in people]
    for i in range(frames):
        picture = behind.astype(np.float32)
        for k, person in enumerate(small):
            if (i / 150 + k / len(small)) % 1 > 0.66:
                continue
            place = 0.5 + 0.45 * np.sin(i / 60 + 1.7 * k)
            x, y = int(place * (width - person.shape[1])), height - person.shape[0]
            under = picture[y:, x : x + person.shape[1]]
            under += (person[..., :3] - under) * person[..., 3:]
        yield np.clip(picture, 0, 255).astype(np.uint8)


def make_clip(path: Path, people: Sequence[np.ndarray], frames: int, size: tuple[int, int]) -> None:
    """An MP4 with uneven times and a tone."""
    rng, at = np.random.default_rng(SEED), 0
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"crf": "20", "preset": "veryfast"})
        voice = out.add_stream("aac", rate=48000, layout="mono")
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for picture in pictures(people, frames, size):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            out.mux(stream.encode(frame))
            at += int(rng.integers(20, 47))
        out.mux(stream.encode())
        for start in range(0, 48 * at, 1024):
            tone = (6000 * np.sin(np.arange(start, start + 1024) / 17)).astype(np.int16)[None]
            sound = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 48000, start, Fraction(1, 48000)
            out.mux(voice.encode(sound))
        out.mux(voice.encode())


@dataclass
class Run:
    """Seconds it took and MB of resident memory, twice a second; peaks: frames on disk -> MB at most until then."""

    seconds: float = 0.0
    memory: list[float] = field(default_factory=list)
    peaks: dict[int, float] = field(default_factory=dict)

    @property
    def steady(self) -> list[float]:
        return self.memory[int(len(self.memory) * WARM) :]

    @property
    def growth(self) -> float:
        """MB from the first to the last third of the steady part, medians."""
        third = max(len(self.steady) // 3, 1)
        return float(np.median(self.steady[-third:]) - np.median(self.steady[:third]))


def predict(clip: Path, out: Path, kill_at: float | None = None) -> Run:
    """One call; killed, if that is wanted, when so many frames are on disk (a fraction: that far into the next piece)."""
    words = [sys.executable, "-m", "vitruvian", "predict", clip, "--out", out, "--smooth", "--device", "cpu"]
    run, begun = Run(), time.monotonic()
    process = subprocess.Popen([str(word) for word in words], stdout=subprocess.DEVNULL)
    reached: float | None = None
    while process.poll() is None:
        run.memory.append(megabytes(process.pid, "VmRSS"))
        done = pieces(out, clip) * FRAMES
        if done and done not in run.peaks:
            run.peaks[done] = megabytes(process.pid, "VmHWM")
        if kill_at is not None and done >= kill_at // FRAMES * FRAMES:
            reached = reached or time.monotonic()
            if time.monotonic() - reached >= kill_at % FRAMES / FRAMES * 10:
                process.send_signal(signal.SIGKILL)
                break
        time.sleep(0.5)
    process.wait()
    if kill_at is None and process.returncode:
        raise SystemExit(f"predict failed with {process.returncode}")
    run.seconds = time.monotonic() - begun
    return run


def megabytes(process: int, what: str) -> float:
    """VmRSS is what is resident now, VmHWM the most that ever was."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith(what)), 0.0)


def pieces(out: Path, clip: Path) -> int:
    return sum(path.stem.isdecimal() for path in out.glob(f".{clip.stem}.parts/*.json"))


def content(out: Path, stem: str) -> dict[str, str]:
    """A hash of each result; of the overlay, of its decoded frames with their times, and of its sound."""
    made = {end: digest((out / f"{stem}.{end}").read_bytes()) for end in ("frames.jsonl", "tracks.csv", "json")}
    with av.open(str(out / f"{stem}.overlay.mp4")) as source:
        shown = hashlib.sha256()
        for frame in source.decode(video=0):
            shown.update(f"{frame.pts} {frame.time_base}".encode() + frame.to_ndarray().tobytes())
    with av.open(str(out / f"{stem}.overlay.mp4")) as source:
        heard = b"".join(bytes(packet) for packet in source.demux(audio=0) if packet.size)
    return {**made, "overlay, frames and times": shown.hexdigest(), "overlay, sound": digest(heard)}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def measure(folder: Path, people: Sequence[np.ndarray], frames: int, size: tuple[int, int], kills: int) -> dict[str, Any]:
    clip, rng = folder / f"clip{size[1]}x{size[0]}.mp4", random.Random(SEED)
    make_clip(clip, people, frames, size)
    whole = predict(clip, folder / "whole")
    moments = sorted(rng.uniform(0, frames * 0.95) for _ in range(kills))
    for moment in moments:
        predict(clip, folder / "killed", kill_at=moment)
    predict(clip, folder / "killed")
    one, other = (content(folder / name, clip.stem) for name in ("whole", "killed"))
    summary = json.loads((folder / "whole" / f"{clip.stem}.json").read_text())
    third = max(len(whole.steady) // 3, 1)
    return {
        "name": f"{frames} frames of {size[1]}x{size[0]}",
        "size": f"{size[1]}x{size[0]}",
        "frames": frames,
        "tracks": len(summary["tracks"]),
        "people": sum(track["frames"] for track in summary["tracks"]),
        "seconds": round(whole.seconds, 1),
        "frames_per_s": round(frames / whole.seconds, 2),
        "mb_first_third": round(float(np.median(whole.steady[:third]))),
        "mb_last_third": round(float(np.median(whole.steady[-third:]))),
        "mb_peak": round(max(whole.memory)),
        "mb_peak_until_frame": {str(done): round(peak) for done, peak in whole.peaks.items() if peak},
        "mb_by_tenth": [round(float(np.median(part))) for part in np.array_split(whole.memory, 10)],
        "growth": round(whole.growth / float(np.median(whole.steady)), 4),
        "killed_at_frames": [round(moment) for moment in moments],
        "jitter": summary["jitter"],
        "same": {name: one[name] == other[name] for name in one},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--sizes", nargs="+", default=["320x180", "640x360", "1280x720"])
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        people = cut_outs(Path(temporary) / "people")
        for text in chosen.sizes:
            width, height = map(int, text.split("x"))
            folder = Path(temporary) / text
            folder.mkdir()
            rows.append(measure(folder, people, chosen.frames, (height, width), chosen.kills))
            shutil.rmtree(folder)
            print(json.dumps(rows[-1]), flush=True)
    head = ("size", "frames", "tracks", "people", "frames_per_s", "mb_first_third", "mb_last_third", "mb_peak")
    print(f"\n{processor()}\n")
    print(
        table((*head, "same after kills"), [[*(str(row[key]) for key in head), str(all(row["same"].values()))] for row in rows])
    )
    if chosen.out:
        merge_rows(chosen.out / "video.json", rows)
    return 0 if all(row["growth"] < GROWTH and all(row["same"].values()) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
