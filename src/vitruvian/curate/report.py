"""The ledger to look at: one HTML page with the funnel, the scores beside their thresholds, and what was kept and dropped."""

from __future__ import annotations

import base64
import html
import io
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vitruvian.curate.integrity import Refusal, open_image
from vitruvian.curate.limits import Bound
from vitruvian.curate.record import Row, unwritable
from vitruvian.curate.settings import Settings, funnel, stages_of
from vitruvian.curate.work import read_input
from vitruvian.geometry import shrink
from vitruvian.types import Array

THUMBNAIL = 160  # px of the longer side
SAMPLES = 12  # of each stage
BINS = 40
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:1100px;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
table{border-collapse:collapse;width:100%}td,th{padding:.2rem .6rem;text-align:right}
td:first-child,th:first-child{text-align:left}
.bar{background:#dfe6ee;height:1rem}.bar>i{display:block;background:#3b6ea5;height:1rem}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(320px,1fr));gap:1rem}
figure{margin:0}figcaption{font-size:.85rem;color:#555}svg{width:100%;background:#f7f8fa}
.samples{display:flex;flex-wrap:wrap;gap:.5rem}.samples figure{width:164px}.samples img{max-width:160px;max-height:160px}
.samples figcaption{font-size:.72rem;line-height:1.25;overflow-wrap:anywhere}
"""


def write_report(path: Path, rows: Sequence[Row], settings: Settings, seed: int = 0) -> None:
    """Write the page. Samples are drawn by `seed`; pictures that are gone by now are left out and said to be."""
    names = funnel(settings)
    kept = sum(row["decision"] == "keep" for row in rows)
    parts = [
        f"<h1>{len(rows):,} images, {kept:,} kept ({kept / max(len(rows), 1):.1%})</h1>",
        "<h2>Funnel</h2>", _funnel(rows, names),
        "<h2>Scores</h2><p>Blue: kept, grey: dropped; red line: the threshold. Heights are square roots of counts, so that"
        " few are seen beside many.</p><div class=plots>", *_histograms(rows, settings), "</div>",
        "<h2>People in an image</h2>", _counts(str(row["people"]) for row in rows if row["people"] is not None),
        "<h2>Formats</h2>", _counts(row["format"] or "none" for row in rows),
        "<h2>Licences</h2>", _counts(row["licence"] or "not known" for row in rows),
        "<h2>Sources</h2>", _counts(_origin(row["source"]) for row in rows),
        *_samples(rows, names, np.random.default_rng(seed)),
    ]  # fmt: skip
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Curation</title><style>{STYLE}</style>{''.join(parts)}</html>"
    )
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def _funnel(rows: Sequence[Row], names: Sequence[str]) -> str:
    taken = Counter(row["stage"] for row in rows)
    left, lines = len(rows), []
    for name in names:
        left -= taken[name]
        width = 100 * left / max(len(rows), 1)
        bar = f"<div class=bar><i style='width:{width:.2f}%'></i></div>"
        lines.append(f"<tr><td>{name}<td>{taken[name]:,}<td>{left:,}<td style='width:55%'>{bar}")
    return f"<table><tr><th>stage<th>dropped<th>left<th>{''.join(lines)}</table>"


def _histograms(rows: Sequence[Row], settings: Settings) -> Iterable[str]:
    for stage in (*settings.limits.looks(), *stages_of(settings)):
        for bound in stage.bounds:
            known = [(row[bound.score], row["decision"] == "keep") for row in rows if row.get(bound.score) is not None]
            if known:
                yield _histogram(stage.name, bound, np.array(known, np.float64))


def _histogram(stage: str, bound: Bound, known: Array) -> str:
    """(n, 2): score, and 1 where the image is kept."""
    low, high = (pick(np.quantile(known[:, 0], q), bound.limit) for pick, q in ((min, 0.01), (max, 0.99)))
    low, high = (low, high) if high > low else (low - 0.5, high + 0.5)
    edges = np.linspace(low, high + 1e-9, BINS + 1)
    clipped = known[:, 0].clip(low, high)
    every, kept = (np.histogram(clipped[chosen], edges)[0] for chosen in (slice(None), known[:, 1] > 0))
    tallest, bars = np.sqrt(max(every.max(), 1)), []
    for i in range(BINS):
        for count, color in ((every[i], "#c3c8cf"), (kept[i], "#3b6ea5")):
            tall = 90 * np.sqrt(count) / tallest
            bars.append(f"<rect x='{i * 8}' y='{95 - tall:.1f}' width='7' height='{tall:.1f}' fill='{color}'/>")
    line = 320 * (bound.limit - low) / (high - low)
    svg = f"<svg viewBox='0 0 320 112'>{''.join(bars)}<path d='M{line:.1f} 0V95' stroke='#c0392b' stroke-width='1.5'/>"
    ends = f"<g font-size='10'><text y='109'>{low:.3g}</text><text x='320' y='109' text-anchor='end'>{high:.3g}</text></g>"
    return f"<figure>{svg}{ends}</svg><figcaption>{stage}: {html.escape(str(bound))} of {len(known):,}</figcaption></figure>"


def _counts(values: Iterable[str]) -> str:
    found = Counter(values).most_common(20)
    most = max((count for _, count in found), default=1)
    lines = [
        f"<tr><td>{html.escape(name)}<td>{count:,}<td style='width:60%'><div class=bar>"
        f"<i style='width:{100 * count / most:.1f}%'></i></div>"
        for name, count in found
    ]
    return f"<table>{''.join(lines)}</table>" if lines else "<p>none was counted</p>"


def _origin(source: str) -> str:
    return source.rpartition("/")[0] or "."


def _samples(rows: Sequence[Row], names: Sequence[str], rng: np.random.Generator) -> Iterable[str]:
    for name in ("", *names):
        of_stage = [row for row in rows if row["stage"] == name]
        if of_stage:
            chosen = sorted(rng.choice(len(of_stage), min(SAMPLES, len(of_stage)), replace=False))
            figures = "".join(_figure(of_stage[int(place)]) for place in chosen)
            yield f"<h2>{f'Dropped by {name}' if name else 'Kept'} ({len(of_stage):,})</h2><div class=samples>{figures}</div>"


def _figure(row: Row) -> str:
    told = html.escape(row["reason"] or "kept")
    return f"<figure>{_thumbnail(row)}<figcaption>{html.escape(Path(row['source']).name)}<br>{told}</figcaption></figure>"


def _thumbnail(row: Row) -> str:
    try:
        view = open_image(read_input({**row, "problem": None}), "").view
    except Refusal as refusal:
        return f"<div class=bar style='height:60px;width:160px'></div><small>{html.escape(refusal.kind)}</small>"
    file = io.BytesIO()
    Image.fromarray(shrink(view.pixels, THUMBNAIL)).save(file, "JPEG", quality=80)
    return f"<img alt='' src='data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}'>"
