"""One large made pile, curated in several ways, some of them killed on the way: the ledgers and shards must be the same.

python benchmarks/curate_scale.py --work DIR [--count 20000] [--workers 2] [--ways embedded killed ray ray-killed]

embedded: uninterrupted. killed: the embedded engine, killed (-9, the whole process group) at seeded moments, then resumed.
ray: Ray on this machine, one of its workers killed (-9) in the middle. ray-killed: Ray, all its processes killed, and resumed.
Moments are drawn from the parts that `embedded` has written, which therefore comes first.

The scorer costs next to nothing (the mean of red): this tries the machine, not the models. Compared: every column of the
ledger, row by row in its order; names and SHA-256 of the shards; and the sources of the ledger with those that were made, each
once. Prints a markdown table; exit code 1 where anything differs. A way whose result lies in DIR is not run again.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
from PIL import Image

MAKERS = Path(__file__).parents[1] / "tests" / "curate"
sys.path.insert(0, str(MAKERS))
from piles import hostile, jpeg, picture  # noqa: E402

WAYS = ("embedded", "killed", "ray", "ray-killed")
KILLS = {"killed": 3, "ray-killed": 1}
TOKEN = "VITRUVIAN_SCALE_RUN"  # in the environment of a run, by which all its processes are known, Ray's too
LOOK_EVERY = 0.1  # seconds between two looks at a run
PAGE, TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
KINDS = {"own": 0.68, "copy": 0.1, "re-encoded": 0.06, "resized": 0.05, "small": 0.02, "grey": 0.01, "flat": 0.01,
         "hostile": 0.06, "missing": 0.01}  # fmt: skip
IN_FOLDERS, IN_SHARDS = 0.6, 0.3  # of the pile; the rest is named by lists
FOLDER = 1000  # files of a folder, and images of a shard


def image(number: int, seed: int) -> tuple[str, bytes | None]:
    """Name and bytes of one input of the pile; None: a list names it, but it is not there."""
    rng = np.random.default_rng((seed, number))
    kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
    earlier = int(rng.integers(max(number, 1)))
    if kind == "hostile":
        name, (content, _) = list(hostile().items())[int(rng.integers(len(hostile())))]
        return f"{number:07d}-{name}", content
    return f"{number:07d}.jpg", MAKERS_OF[kind](number, earlier)


def _own(number: int) -> Image.Image:
    return picture(number, grain=6.0)


MAKERS_OF: dict[str, Callable[[int, int], bytes | None]] = {
    "own": lambda number, _: jpeg(_own(number)),
    "copy": lambda _, earlier: jpeg(_own(earlier)),
    "re-encoded": lambda _, earlier: jpeg(_own(earlier), 60),
    "resized": lambda _, earlier: jpeg(_own(earlier).resize((380, 304))),
    "small": lambda number, _: jpeg(picture(number, (100, 120))),
    "grey": lambda number, _: jpeg(_own(number).convert("L").convert("RGB")),
    "flat": lambda number, _: jpeg(Image.new("RGB", (400, 400), (200, number % 256, 40))),
    "missing": lambda _, __: None,
}


@dataclass(frozen=True)
class Pile:
    """sources: words for the command; inputs: what the ledger must name, each once."""

    sources: list[str]
    inputs: list[str]


def make_pile(folder: Path, count: int, seed: int) -> Pile:
    """`count` inputs in folders, in shards with licences (the last one cut short), and named by a list; same for one seed."""
    told = folder / "pile.json"
    if told.is_file():
        return Pile(**json.loads(told.read_text()))
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "files").mkdir(parents=True)
    in_folders, in_shards = int(count * IN_FOLDERS), int(count * IN_SHARDS)
    inputs = _write_files(folder / "files", range(in_folders), seed)
    shards = [range(i, min(i + FOLDER, in_folders + in_shards)) for i in range(in_folders, in_folders + in_shards, FOLDER)]
    for place, numbers in enumerate(shards):
        inputs += _write_shard(folder / f"{place:04d}.tar", numbers, seed, cut=place == len(shards) - 1)
    inputs += _write_list(folder / "list.csv", range(in_folders + in_shards, count), seed)
    tars = sorted(str(path) for path in folder.glob("*.tar"))
    pile = Pile([str(folder / "files"), *tars, str(folder / "list.csv")], inputs)
    told.write_text(json.dumps(asdict(pile)))
    return pile


def _write_files(folder: Path, numbers: Sequence[int], seed: int) -> list[str]:
    out = []
    for number in numbers:
        name, content = image(number, seed)
        path = folder / f"{number // FOLDER:04d}" / name
        path.parent.mkdir(exist_ok=True)
        if content is not None:
            path.write_bytes(content)
            out.append(str(path))
    return out


def _write_shard(path: Path, numbers: Sequence[int], seed: int, cut: bool) -> list[str]:
    """cut: the last image is half there, so that the shard becomes an input of its own that says so."""
    made = [(name, content) for name, content in (image(number, seed) for number in numbers) if content]
    with tarfile.open(path, "w") as tar:
        for name, content in made:
            for member, inside in ((f"{Path(name).stem}.json", b'{"licence": "CC0"}'), (name, content)):
                told = tarfile.TarInfo(member)
                told.size = len(inside)
                tar.addfile(told, io.BytesIO(inside))
                end = tar.offset
    if cut:
        with path.open("r+b") as file:
            file.truncate(end - len(made[-1][1]) // 2 - 512)
    return [f"{path}/{name}" for name, _ in made] + [str(path)] * cut


def _write_list(path: Path, numbers: Sequence[int], seed: int) -> list[str]:
    folder, out = path.parent / "listed", []
    folder.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "licence"))
        for number in numbers:
            name, content = image(number, seed)
            if content is not None:
                (folder / name).write_bytes(content)
            writer.writerow((f"listed/{name}", "CC-BY-4.0"))
            out.append(str(folder / name))
    return out


@dataclass
class Watch:
    """What the processes of one run take. A process is known by its environment, so that none of Ray's is missed."""

    token: str
    parent: int = 0
    tree_peak: int = 0
    parent_peak: int = 0
    spent: dict[int, float] = field(default_factory=dict)
    mine: dict[int, bool] = field(default_factory=dict)

    def processes(self) -> list[int]:
        """Ids of those that are there."""
        there = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
        self.mine = {pid: self.mine.get(pid) or self._is_mine(pid) for pid in there}
        return [pid for pid, mine in self.mine.items() if mine]

    def _is_mine(self, pid: int) -> bool:
        try:
            return f"{TOKEN}={self.token}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False

    def look(self) -> None:
        """Resident bytes (pages that processes share count for each) and processor time (user and system) of all."""
        total = 0
        for pid in self.processes():
            try:
                resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except (OSError, IndexError):
                continue
            self.spent[pid] = (int(fields[11]) + int(fields[12])) / TICKS
            total += resident
            if pid == self.parent:
                self.parent_peak = max(self.parent_peak, resident)
        self.tree_peak = max(self.tree_peak, total)

    def kill(self) -> None:
        """The process group, and what has left it, as Ray's processes do."""
        os.killpg(self.parent, signal.SIGKILL)
        for pid in self.processes():
            _kill(pid)

    def kill_a_ray_worker(self, rng: np.random.Generator) -> bool:
        """One that has a task in hand; False where there is none."""
        busy = [pid for pid in self.processes() if _title(pid).startswith("ray::") and not _title(pid).startswith("ray::IDLE")]
        if busy:
            _kill(int(rng.choice(sorted(busy))))
        return bool(busy)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has ended by itself


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


@dataclass
class Took:
    """Figures of one way. parts: files that the run had in its work folder, at the most."""

    way: str
    seconds: float = 0
    processor: float = 0
    tree_peak: int = 0
    parent_peak: int = 0
    kills: int = 0
    parts: int = 0


def run(way: str, pile: Pile, out: Path, workers: int, seed: int, whole: Took | None) -> Took:
    """One way to its end. whole: of the uninterrupted run. RuntimeError where the command fails, or a kill found nothing."""
    took, rng = Took(way), np.random.default_rng((seed, WAYS.index(way)))
    parts, pause = (whole.parts, whole.seconds / whole.parts) if whole else (0, 0.0)
    for share in sorted(rng.uniform(0.05, 0.95, KILLS.get(way, 0))):
        struck = _start(way, pile, out, workers, took, int(share * parts), rng.uniform(0, pause), None)
        if not struck:
            raise RuntimeError(f"{way}: ended before it could be killed at {share:.0%}")
    _start(way, pile, out, workers, took, parts // 2 if way == "ray" else None, 0.0, rng if way == "ray" else None)
    return took


def _start(
    way: str, pile: Pile, out: Path, workers: int, took: Took, at: int | None, pause: float, one: np.random.Generator | None
) -> bool:
    """Start the command, and kill it (or, with `one`, a Ray worker) when there are `at` parts; whether that struck."""
    words = ["curate", "run", *pile.sources, "--out", str(out), "--scorers", "piles:Redness", "--workers", str(workers)]
    words += ["--ray", "local"] if way.startswith("ray") else []
    watch = Watch(f"{way}-{os.getpid()}-{took.kills}")
    paths = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), str(MAKERS))))
    environment = os.environ | {TOKEN: watch.token, "PYTHONPATH": paths}
    begun, struck, log = time.monotonic(), False, out.with_suffix(".log")
    with log.open("a") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "vitruvian", *words], env=environment, stdout=file, stderr=file, start_new_session=True
        )
        watch.parent = process.pid
        while process.poll() is None:
            watch.look()
            parts = _parts(out)
            took.parts = max(took.parts, parts)
            if at is not None and not struck and parts >= at:
                time.sleep(pause)
                struck = watch.kill_a_ray_worker(one) if one else process.poll() is None
                if struck and one is None:
                    watch.kill()
            time.sleep(LOOK_EVERY)
    took.seconds += time.monotonic() - begun
    took.processor += sum(watch.spent.values())
    took.tree_peak, took.parent_peak = max(took.tree_peak, watch.tree_peak), max(took.parent_peak, watch.parent_peak)
    took.kills += struck
    if process.returncode != (-signal.SIGKILL if struck and one is None else 0):
        raise RuntimeError(f"{way}: exit code {process.returncode}; see {log}")
    _gone(watch)
    return struck


def _gone(watch: Watch) -> None:
    """Wait for processes that outlive the command, such as Ray's, and end what does not go by itself."""
    until = time.monotonic() + 20
    while watch.processes() and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
    for pid in watch.processes():
        _kill(pid)


def _parts(out: Path) -> int:
    return sum(1 for _ in (out / "work").rglob("[!.]*.parquet")) if (out / "work").is_dir() else 0


def differences(first: Path, second: Path) -> list[str]:
    """What is not the same in two finished runs: columns of the ledger, shards."""
    a, b = (ds.dataset(sorted(str(p) for p in (out / "ledger").glob("*.parquet"))).to_table() for out in (first, second))
    if a.schema != b.schema or len(a) != len(b):
        return [f"{len(a)} rows of {a.schema.names}, {len(b)} of {b.schema.names}"]
    out = [f"column {name}" for name in a.schema.names if a[name].to_pylist() != b[name].to_pylist()]
    shards = [{path.name: _hash(path) for path in sorted((run / "shards").iterdir())} for run in (first, second)]
    return out + [f"shard {name}" for name in sorted({*shards[0], *shards[1]}) if shards[0].get(name) != shards[1].get(name)]


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unaccounted(out: Path, pile: Pile) -> list[str]:
    """Inputs that the ledger of a run does not name exactly once, and what it names besides."""
    told = Counter(ds.dataset(str(out / "ledger")).to_table(["source"])["source"].to_pylist())
    told.subtract(Counter(pile.inputs))
    return sorted(source for source, count in told.items() if count)


def line(took: Took, inputs: int, workers: int, differing: Sequence[str], lost: Sequence[str]) -> str:
    """A row of the table."""
    rate, of_core = inputs / took.seconds, inputs / took.processor
    same = "the same" if not differing else f"**differs: {', '.join(differing[:5])}**"
    once = "every one" if not lost else f"**not {len(lost)}**"
    return (
        f"| {took.way}, {workers} workers | {took.kills} | {took.seconds:.0f} | {rate:.0f} | {of_core:.0f} |"
        f" {took.tree_peak / 2**20:.0f} | {took.parent_peak / 2**20:.0f} | {same} | {once} |"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    work: Path = chosen.work.resolve() / f"{chosen.count}-{chosen.seed}-{chosen.workers}"
    begun = time.monotonic()
    pile = make_pile(work / "pile", chosen.count, chosen.seed)
    print(f"{len(pile.inputs)} inputs, made in {time.monotonic() - begun:.0f} s", flush=True)
    print("| run | kills | seconds | images/s | images/s, core | peak MiB, all | parent alone | ledger, shards | accounted |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    wrong, whole = False, None
    for way in dict.fromkeys(("embedded", *chosen.ways)):
        out, told = work / way, work / f"{way}.json"
        if told.is_file():
            took = Took(**json.loads(told.read_text()))
        else:
            shutil.rmtree(out, ignore_errors=True)
            took = run(way, pile, out, chosen.workers, chosen.seed, whole)
            told.write_text(json.dumps(asdict(took)))
        whole = whole or took
        differing, lost = differences(work / "embedded", out), unaccounted(out, pile)
        print(line(took, len(pile.inputs), chosen.workers, differing, lost), flush=True)
        wrong |= bool(differing or lost)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
