"""ONNX Runtime alone, with PyTorch blocked, gives what `predict` gives on real photos."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vitruvian
from vitruvian.export.command import export

for module in ("onnxscript", "onnxruntime"):
    pytest.importorskip(module, reason=f'{module} is not installed: pip install "vitruvian[export]"')

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = [
    (name, np.array(box, np.float32))
    for name, *box in list(csv.reader((EXAMPLES / "photos" / "boxes.csv").read_text().splitlines()))[1:]
]
WITHOUT_TORCH = "import sys, runpy\nsys.modules['torch'] = None\nsys.argv = sys.argv[1:]\n"
EVERY_PHOTO = """
import json
import numpy as np
from PIL import Image
from vitruvian.export.runtime import OnnxModel
model, out = OnnxModel(sys.argv[0], threads=1), {}
for i, (photo, box) in enumerate(json.loads(sys.argv[2])):
    (person,) = model.predict(np.asarray(Image.open(photo).convert("RGB")), np.array([box], np.float32))
    out |= {f"{i}/{task}/{key}": value for task in ("pose", "seg", "depth", "normal") for key, value in person[task].items()}
np.savez(sys.argv[1], **out)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export("vitruvian-s", "onnx", tmp_path_factory.mktemp("onnx") / "vitruvian-s.onnx").path


@pytest.fixture(scope="module")
def predictor() -> vitruvian.Predictor:
    return vitruvian.load("vitruvian-s", device="cpu", dtype="fp32", flip_test=False)  # the exported model answers once


def test_same_people_on_every_example_photo(model: Path, predictor: vitruvian.Predictor, tmp_path: Path) -> None:
    jobs = json.dumps([(str(EXAMPLES / "photos" / name), box.tolist()) for name, box in ROWS])
    out = tmp_path / "answers.npz"
    subprocess.run([sys.executable, "-c", WITHOUT_TORCH + EVERY_PHOTO, str(model), str(out), jobs], check=True)
    given = np.load(out)
    for i, (name, box) in enumerate(ROWS):
        (person,) = predictor.predict(EXAMPLES / "photos" / name, boxes=box[None]).people
        assert person.keypoints and person.parts and person.depth and person.normals
        assert np.abs(given[f"{i}/pose/xy"] - person.keypoints.xy).max() < 0.5
        assert np.abs(given[f"{i}/pose/score"] - person.keypoints.score).max() < 1e-3
        assert (given[f"{i}/seg/ids"] == person.parts.ids).mean() > 0.999
        assert np.abs(given[f"{i}/depth/z"] - person.depth.z).max() < 1e-3
        assert np.abs(given[f"{i}/normal/n"] - person.normals.n).max() < 1e-2


def test_the_example_as_users_copy_it(model: Path, predictor: vitruvian.Predictor, tmp_path: Path) -> None:
    """The script and the runtime file, in a folder of their own, where neither this package nor PyTorch can be imported."""
    runtime = Path(vitruvian.__file__).parent / "export" / "runtime.py"
    (tmp_path / "runtime.py").write_text(runtime.read_text())
    (tmp_path / "onnx_predict.py").write_text((EXAMPLES / "onnx_predict.py").read_text())
    name, box = ROWS[0]
    code = WITHOUT_TORCH + "sys.modules['vitruvian'] = None\nsys.path.insert(0, '.')\n"
    code += "try: runpy.run_path('onnx_predict.py', run_name='__main__')\n"
    code += "finally: assert 'vitruvian.types' not in sys.modules\n"
    words = ["-", str(EXAMPLES / "photos" / name), "--model", str(model), "--draw", "out.png"]
    words += ["--box", *(str(v) for v in box.tolist())]
    command = [sys.executable, "-c", code, *words]
    told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    (person,) = predictor.predict(EXAMPLES / "photos" / name, boxes=box[None]).people
    assert person.keypoints
    points = json.loads(told)["keypoints"]
    assert list(points) == list(vitruvian.skeleton("wholebody133").names)
    assert np.abs(np.array(list(points.values()))[:, :2] - person.keypoints.xy).max() < 0.5
    assert (tmp_path / "out.png").stat().st_size > 1000
