"""The verbs: what can be read, and what is wrong with what was given."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vitruvian.data.check import Checked, Finding, check_source
from vitruvian.data.layouts import LAYOUTS, Opened, open_source
from vitruvian.data.leaks import leaks, prints
from vitruvian.errors import InputError, UsageError, VitruvianError, counted
from vitruvian.survey.sheet import tiles, write_sheet
from vitruvian.vocab import class_map_names, class_set_names, definition, skeleton, skeleton_names

SHOWN = 5  # findings of one kind on the terminal; findings.json holds all
TILES = 24  # people on the sheet
EXAMPLES = {
    "coco": 'annotations = "train.json"\nimages = "images"\nskeleton = "coco17"',
    "parts": 'images = "images"\nmasks = "masks"\nmapping = "cihp20"',
    "maps": 'folder = "scans"\ndepth_unit = 0.001\nnormal_frame = "camera"',
    "synth": 'folder = "synthetic"',
    "shards": 'urls = "people-{000..012}.tar"\ncache = "cache"',
    "photos": 'folder = "photos"',
}


@dataclass(frozen=True)
class _Seen:
    """A source and what was found in it."""

    opened: Opened
    checked: Checked


def show_layouts() -> int:
    """Print every layout with an example of its TOML file, and the names that its fields may hold."""
    for kind, layout in LAYOUTS.items():
        print(f'{layout.told}\n    kind = "{kind}"')
        print("".join(f"    {line}\n" for line in EXAMPLES[kind].splitlines()))
    print(f"skeletons: {', '.join(skeleton_names())}, or FILE.toml")
    print(f"classes: {', '.join(class_set_names())}, or FILE.toml")
    print(f"mapping: {', '.join(class_map_names())}, or FILE.toml")
    return 0


def check(
    sources: Sequence[str],
    train: Sequence[str] = (),
    val: Sequence[str] = (),
    skeleton: str | None = None,
    out: Path | None = None,
    limit: int | None = None,
) -> int:
    """Print what is wrong with sources; 0 if nothing is, else 1. UsageError for what is no source."""
    given = list(dict.fromkeys((*sources, *train, *val)))
    if not given:
        raise UsageError("no source given. Fix: vitruvian data check SOURCE (see `vitruvian data list`).")
    if bool(train) != bool(val):
        raise UsageError("--train and --val are compared with each other. Fix: give both.")
    if limit is not None and limit < 1:
        raise UsageError(f"--limit {limit}. Allowed: 1 or more.")
    seen, closed = _look(given, skeleton, limit)
    findings = [*closed, *(Finding("split leak", name, text) for name, text in _leaks(seen, train, val, limit))]
    for one in seen:
        findings += one.checked.findings
    _print_table(seen)
    _print_notes(seen, skeleton)
    _print_findings(findings)
    if out is not None:
        _write(out, seen, findings)
    return 1 if findings else 0


def _look(given: Sequence[str], name: str | None, limit: int | None) -> tuple[list[_Seen], list[Finding]]:
    """Every source that can be opened, checked; one that cannot be is a finding."""
    seen, closed = list[_Seen](), list[Finding]()
    for one in given:
        try:
            opened = open_source(one, name)
        except InputError as error:
            closed.append(Finding("source", one, str(error)))
            continue
        seen.append(_Seen(opened, check_source(opened.source, limit)))
    return seen, closed


def _leaks(seen: Sequence[_Seen], train: Sequence[str], val: Sequence[str], limit: int | None) -> Iterator[tuple[str, str]]:
    by_name = {one.opened.given: prints(one.opened.source, limit) for one in seen if one.opened.given in (*train, *val)}
    for a in train:
        for b in val:
            if a in by_name and b in by_name:
                for leak in leaks(by_name[a], by_name[b]):
                    yield leak.val, f"{leak.how} as {leak.train} of the training set ({leak.likeness:.3f})"


def _print_table(seen: Sequence[_Seen]) -> None:
    rows: list[tuple[str, ...]] = [("source", "kind", "pictures", "read", "people", "findings")]
    for one in seen:
        counts = (len(one.opened.source), one.checked.photos, one.checked.people, len(one.checked.findings))
        rows.append((one.opened.given, one.opened.kind, *map(str, counts)))
    widths = [max(len(row[i]) for row in rows) for i in range(6)]
    for row in rows:
        words = [
            word.ljust(width) if i < 2 else word.rjust(width) for i, (word, width) in enumerate(zip(row, widths, strict=True))
        ]
        print("  ".join(words).rstrip())


def _print_notes(seen: Sequence[_Seen], name: str | None) -> None:
    for one in seen:
        for note in ((one.opened.told,) if one.opened.told else ()) + one.checked.notes:
            print(f"note: {one.opened.given}: {note}")
    if name and definition(name):
        own = skeleton(name)
        told = f"sigmas {min(own.sigmas):g} to {max(own.sigmas):g} (0.05 where none is given)"
        print(f"note: {own.name}: {len(own)} points, {sum(i < j for i, j in enumerate(own.flip))} mirrored pairs, {told}")


def _print_findings(findings: Sequence[Finding]) -> None:
    counts = Counter(finding.kind for finding in findings)
    for kind, count in counts.most_common():
        print(f"\n{kind}: {count}")
        for finding in [f for f in findings if f.kind == kind][:SHOWN]:
            print(f"  {finding.where}: {finding.text}" if finding.where else f"  {finding.text}")
        if count > SHOWN:
            print(f"  ... and {count - SHOWN} more")
    print("\nnothing is wrong" if not findings else f"\n{counted(len(findings), 'finding')}")


def _write(out: Path, seen: Sequence[_Seen], findings: Sequence[Finding]) -> None:
    share = max(1, TILES // max(1, len(seen)))
    drawn = [tile for one in seen for tile in tiles(one.opened, share)]
    record = {"findings": [asdict(finding) for finding in findings], "sources": [_source_record(one) for one in seen]}
    try:
        out.mkdir(parents=True, exist_ok=True)
        temporary = out / f".findings.{os.getpid()}.tmp"
        temporary.write_text(json.dumps(record, indent=2) + "\n")
        temporary.replace(out / "findings.json")
        if drawn:
            write_sheet(drawn, out / "sheet.jpg")
    except OSError as error:
        raise VitruvianError(f"{out}: cannot be written ({error.strerror}). Fix: another --out.") from error
    print(f"written: {out / 'findings.json'}" + (f", {out / 'sheet.jpg'}" if drawn else ""))


def _source_record(one: _Seen) -> dict[str, Any]:
    counts = {"pictures": len(one.opened.source), "read": one.checked.photos, "people": one.checked.people}
    return {"source": one.opened.given, "kind": one.opened.kind, "told": one.opened.told, **counts, "notes": one.checked.notes}
