"""The verbs `keypoints list`, `keypoints convert` and `keypoints angles`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from vitruvian.errors import InputError, UsageError, counted
from vitruvian.keypoints import angles as joint_angles
from vitruvian.keypoints.files import (
    COLUMNS,
    choose_style,
    coco_file,
    coco_record,
    converted,
    openpose_file,
    point_rows,
    result_file,
    table,
)
from vitruvian.keypoints.points import conversion
from vitruvian.predict.outputs import Outputs
from vitruvian.predict.record import SURE, Record
from vitruvian.predict.stored import ResultFile, find_results, read_results
from vitruvian.vocab import equivalents, skeleton, skeleton_names

LISTED = 12  # names of one kind in a line on the terminal; the files hold all


def show(name: str = "") -> int:
    """Every set and what is had of it from the sets that models answer in; or the points of one set, numbered from 0."""
    if name:
        points = skeleton(name)
        print(f"{name}: {points.title}")
        for i, (point, other) in enumerate(zip(points.names, points.flip, strict=True)):
            print(f"{i:4d}  {point}" + (f"  (mirror image {other} {points.names[other]})" if other != i else ""))
        return 0
    print(f"{'set':13} {'points':>6}  same + midpoint + near, without equivalent, from coco17 / wholebody133 / sapiens308")
    for target in skeleton_names():
        counts = " / ".join(_counts(source, target) for source in ("coco17", "wholebody133", "sapiens308"))
        print(f"{target:13} {len(skeleton(target)):6d}  {counts:50}  {skeleton(target).title}")
    return 0


def convert(results: Sequence[str], to: str, out: Path, style: str = "auto", overwrite: bool = False) -> int:
    """Write the keypoints of results in another set. Returns 0, or 1 if an input failed. UsageError for an unknown name."""
    skeleton(to)  # an unknown name is told before anything is read
    job = _Conversion(to, out, choose_style(style, out, to), Outputs(overwrite))
    return job.run(results)


def angles(results: Sequence[str], out: Path, threshold: float = SURE, overwrite: bool = False) -> int:
    """Write the joint angles of results to one CSV file. Returns 0, or 1 if an input failed."""
    if out.suffix.lower() != ".csv":
        raise UsageError(f"--out {out}: angles are a table. Fix: --out {out.with_name(out.name + '.csv')}")
    if not 0 <= threshold <= 1:
        raise UsageError(f"--threshold {threshold:g}. Allowed: a score in 0..1.")
    outputs, seen, done = Outputs(overwrite), set[str](), 0
    lines: list[list[str]] = []
    for file in _found(results, outputs):
        with outputs.attempt(str(file.path)):
            rows, found = list[list[str]](), set[str]()
            for stored in read_results(file):
                rows += joint_angles.rows_of(stored, threshold)
                found |= {person["skeleton"] for person in stored.people}
            lines, seen, done = lines + rows, seen | found, done + 1
    for name in sorted(seen):
        if absent := joint_angles.out_of_reach(name):
            print(f"{name} has not the points of {', '.join(absent)}: nan")
    return _write_one(
        out, outputs, table([joint_angles.COLUMNS, *lines]), done, f"{counted(len(lines), 'person', 'people')} -> {out}"
    )


class _Conversion:
    """Everything on its way to files. A record becomes text at once: a long video must not lie in memory as objects."""

    def __init__(self, to: str, out: Path, style: str, outputs: Outputs) -> None:
        self.to, self.out, self.style, self.outputs = to, out, style, outputs
        self.sources: set[str] = set()
        self.table = bytearray(table([COLUMNS]))
        self.records: list[Record] = []
        self.people = self.done = 0

    def run(self, results: Sequence[str]) -> int:
        for file in _found(results, self.outputs):
            with self.outputs.attempt(str(file.path)):
                self._one(file)
        for source in sorted(self.sources):
            print(_told(source, self.to))
        told = f"{counted(self.people, 'person', 'people')} -> {self.out}"
        if self.style == "csv":
            return _write_one(self.out, self.outputs, bytes(self.table), self.done, told)
        if self.style == "coco":
            made = [conversion(source, self.to) for source in sorted(self.sources)]
            return _write_one(self.out, self.outputs, coco_file(self.records, made), self.done, told)
        return self.outputs.end(told)

    def _one(self, file: ResultFile) -> None:
        """One file of results, or nothing of it where one of its records cannot be used."""
        texts: dict[str, bytearray] = {}
        lines, records, sources, people = bytearray(), list[Record](), set[str](), 0
        for stored in read_results(file):
            record = converted(stored, self.to)
            people += len(record["people"])
            sources |= {person["skeleton"] for person in stored.people}
            if self.style == "csv":
                lines += table(point_rows(stored, record))
            elif self.style == "coco":
                records.append(coco_record(stored, record))
            else:
                as_openpose = self.style == "openpose"
                name, text = openpose_file(stored, record) if as_openpose else result_file(stored, record, self.to)
                if name in texts and not name.endswith(".jsonl"):
                    raise InputError(f"{stored.where}: a second result called {stored.stem}. Fix: give them separate runs.")
                texts.setdefault(name, bytearray()).extend(text)
        self._write(texts, file)
        self.table += lines
        self.records += records
        self.sources |= sources
        self.people += people
        self.done += 1

    def _write(self, texts: dict[str, bytearray], file: ResultFile) -> None:
        folders: dict[PurePosixPath, dict[str, bytes | Callable[[], bytes]]] = {}
        for name, text in texts.items():
            place = PurePosixPath(name)
            folders.setdefault(place.parent, {})[place.name] = bytes(text)
        for folder, files in folders.items():
            self.outputs.write(self.out / folder, files, str(file.path))


def _found(results: Sequence[str], outputs: Outputs) -> list[ResultFile]:
    files, problems = find_results(results)
    for problem in problems:
        outputs.fail(problem.message)
    return files


def _write_one(out: Path, outputs: Outputs, data: bytes, done: int, told: str) -> int:
    """One file of all `done` inputs; none where not one of them could be used."""
    if done:
        with outputs.attempt(str(out)):
            outputs.write(out.parent, {out.name: data}, str(out))
            return outputs.end(told)
    return outputs.end("nothing written")


def _counts(source: str, target: str) -> str:
    found = equivalents(source, target)
    same, midpoint, near, none = (sum(e.kind == kind for e in found) for kind in ("same", "midpoint", "near", "none"))
    return f"{same} + {midpoint} + {near}, {none}"


def _told(source: str, target: str) -> str:
    """One line of what became of the points of a set."""
    made = conversion(source, target)
    parts = [f"{counted(made['same'], 'point')} the same"]
    for kind in ("midpoint", "near"):
        names = [f"{name} = {' + '.join(of)}" for name, of in made[kind].items()]
        parts += [f"{len(names)} {kind}: {_some(names)}"] if names else []
    parts += [f"{len(made['none'])} without equivalent (score 0): {_some(made['none'])}"] if made["none"] else []
    return f"{source} -> {target}: {'; '.join(parts)}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
