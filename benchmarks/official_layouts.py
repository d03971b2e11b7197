"""Does every readable layout of an official file give the same answers? By the commands, at true size.

python benchmarks/official_layouts.py [--out docs/results] [--work DIR]

For each task a 0.3B model with random weights is written as mmengine .pth, as traced TorchScript, and by `vitruvian models
convert` as safetensors of ours; the pretrained encoder as the bare weights of `_clean.pth` instead of the first.
`vitruvian predict` (`features` for the encoder) runs one bundled photo at the model's own size with each file. All files of the
results must be the same, byte for byte, but for what says which file made them; the overlay is not drawn, as its caption does.
Writes official-layouts.md; exit code 1 if anything differs. Seconds are of this machine in whatever state it is in: no
benchmark. It takes 3 GB below DIR for a while.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from reference import official
from torch import Tensor, nn

from vitruvian import weights
from vitruvian.device import processor
from vitruvian.evaluate.report import table, write_text
from vitruvian.weights import zoo

REPOSITORY = Path(__file__).resolve().parents[1]
PHOTO = REPOSITORY / "examples" / "photos" / "astronaut.png"
TASKS = {"pose308": ("pose", 308), "seg28": ("seg", 28), "depth": ("depth", 1), "normal": ("normal", 3)}
ENCODER = "pretrain"
WHICH_FILE = ("made_by", "fingerprint")  # what a record says of the file of weights


class Encoder(nn.Module):
    """The yardstick's backbone as distributed after pretraining: a class token, a square grid."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        for name, child in backbone.named_children():
            self.add_module(name, child)
        self.cls_token = nn.Parameter(torch.randn(1, 1, 1024) * 0.02)
        self.pos_embed = nn.Parameter(torch.randn(1, 4097, 1024) * 0.02)

    def forward(self, image: Tensor) -> Tensor:
        """Only to be traced: which tensors there are is all that is read of it."""
        return self.patch_embed(image).sum() + self.cls_token.sum() + self.pos_embed.sum()


def model_of(row: str) -> nn.Module:
    """Random weights under official names."""
    torch.manual_seed(0)
    model = official.Sapiens(*TASKS.get(row, ("depth", 1)), official.ARCHITECTURES["0.3b"]).eval()
    nn.init.trunc_normal_(model.backbone.pos_embed, std=0.02)
    return Encoder(model.backbone).eval() if row == ENCODER else model


def as_mmengine(model: nn.Module, path: Path) -> None:
    torch.save({"state_dict": model.state_dict(), "meta": {"epoch": 1}, "optimizer": {"lr": torch.ones(1)}}, path)


def as_bare(model: nn.Module, path: Path) -> None:
    torch.save(model.state_dict(), path)


def as_torchscript(model: nn.Module, path: Path) -> None:
    image = torch.zeros(1, 3, *(zoo.ENCODER_INPUT if isinstance(model, Encoder) else zoo.TASK_INPUT))
    with torch.no_grad():
        torch.jit.trace(model, image, check_trace=False).save(str(path))


Writer = Callable[[nn.Module, Path], None]
LAYOUTS: dict[str, tuple[Writer, str]] = {
    "mmengine .pth": (as_mmengine, ".pth"),
    "TorchScript .pt2": (as_torchscript, "_torchscript.pt2"),
}
ENCODER_LAYOUTS: dict[str, tuple[Writer, str]] = {
    "bare weights, _clean.pth": (as_bare, ".pth"),
    "TorchScript .pt2": (as_torchscript, "_torchscript.pt2"),
}
CONVERTED = "safetensors of ours, by `models convert`"


def command(*words: str | Path) -> float:
    """Run it; seconds of its process."""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "vitruvian", *map(str, words)], capture_output=True, text=True, check=False)
    print(done.stdout, end="", flush=True)
    if done.returncode:
        raise SystemExit(f"vitruvian {' '.join(map(str, words))} failed:\n{done.stderr}")
    return time.monotonic() - begun


def answer(row: str, file: Path, folder: Path) -> tuple[dict[str, str], float]:
    """What one file answers, as a hash of each result, and the seconds of the command."""
    boxes = folder.with_name("boxes.csv")
    if row == ENCODER:
        seconds = command("features", PHOTO, "--model", file, "--out", folder)
    else:
        seconds = command("predict", PHOTO, "--model", file, "--boxes", boxes, "--out", folder, "--device", "cpu", "--no-draw")
    return {path.name: digest(path) for path in sorted(folder.iterdir())}, seconds


def digest(path: Path) -> str:
    """sha256; of a record without what says which file made it."""
    content = path.read_bytes()
    if path.suffix == ".json":
        record: dict[str, Any] = json.loads(content)
        content = json.dumps({key: value for key, value in record.items() if key not in WHICH_FILE}).encode()
    return hashlib.sha256(content).hexdigest()


def write_boxes(path: Path) -> None:
    """The one box of the photo."""
    with (PHOTO.parent / "boxes.csv").open() as source:
        rows = [row for number, row in enumerate(csv.reader(source)) if number == 0 or row[0] == PHOTO.name]
    with path.open("w", newline="") as target:
        csv.writer(target).writerows(rows)


def loading(file: Path) -> float:
    """Seconds until the model is there, in this process."""
    begun = time.monotonic()
    weights.load(file)
    return time.monotonic() - begun


def run(row: str, folder: Path) -> list[list[str]]:
    """Rows of the table for one task; SystemExit where two layouts answer differently."""
    rows: list[list[str]] = []
    wanted: dict[str, str] = {}
    for name, file in files(row, folder):
        with tempfile.TemporaryDirectory(dir=folder.parent) as place:
            found, seconds = answer(row, file, Path(place))
        wanted = wanted or found
        if found != wanted:
            raise SystemExit(f"{row}: {name} differs in {', '.join(key for key in found if found[key] != wanted.get(key))}")
        results = f"{len(found)} files, {'all as of the first' if rows else 'the first'}"
        rows.append([row, name, f"{file.stat().st_size / 1e9:.2f}", f"{loading(file):.1f}", f"{seconds:.1f}", results])
        print(*rows[-1], sep=" | ", flush=True)
    return rows


def files(row: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """The same weights in one layout after the other; a file goes when it is not needed any more."""
    model, release = model_of(row), zoo.release(f"sapiens-0.3b-{row}")
    last: Path | None = None
    for name, (writer, ending) in (ENCODER_LAYOUTS if row == ENCODER else LAYOUTS).items():
        if last:
            last.unlink()
        last = folder / (release.stem + ending)
        writer(model, last)
        yield name, last
    converted = folder / "converted.safetensors"
    command("models", "convert", last or "", "--name", release.name, "--out", converted)
    yield CONVERTED, converted
    for file in (last, converted):
        if file:
            file.unlink()


def page(rows: list[list[str]]) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.strip()
    head = ["0.3B model", "layout", "GB", "load, s", "command, s", "results"]
    return f"""# One model, every official layout

`python benchmarks/official_layouts.py` · after commit {commit} · {datetime.now(UTC):%Y-%m-%d} ·
{processor()}, threads {torch.get_num_threads()}, torch {torch.__version__}

Random weights in official 0.3B shapes; the bundled photo {PHOTO.name} with one person, by `vitruvian predict` at 1024×768,
the pretrained encoder by `vitruvian features`. Every file of the results (keypoints, parts, depth, normals, records) is the
same byte for byte, whichever layout the weights came in. Loading includes a look at all numbers and the file's sha256. The
machine did other work meanwhile: the seconds say that it runs, not how fast.

{table(head, rows)}
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "results")
    parser.add_argument("--work", type=Path, help="folder for the weights; a temporary one if left out")
    parser.add_argument("--tasks", nargs="+", choices=(*TASKS, ENCODER), default=[*TASKS, ENCODER])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.work) as place:
        folder = Path(place) / "weights"
        folder.mkdir()
        write_boxes(folder.with_name("boxes.csv"))
        rows = [line for row in given.tasks for line in run(row, folder)]
    given.out.mkdir(parents=True, exist_ok=True)
    write_text(given.out / "official-layouts.md", page(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
