"""People of a photo with ONNX Runtime alone: no PyTorch is imported.

    vitruvian export vitruvian-s --to onnx && vitruvian export person --to onnx
    python examples/onnx_predict.py examples/photos/mirror.jpg --box 0 85 515 633

Elsewhere, copy src/vitruvian/export/runtime.py beside this file: pip install onnxruntime numpy opencv-python-headless
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np

try:
    from vitruvian.export.runtime import OnnxModel, map_to_photo
except ModuleNotFoundError:  # the copied file
    from runtime import OnnxModel, map_to_photo  # type: ignore[import-not-found,no-redef]

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("photo", type=Path)
parser.add_argument("--model", type=Path, default=Path("vitruvian-s.onnx"))
parser.add_argument("--detector", type=Path, default=Path("person.onnx"))
parser.add_argument(
    "--box", type=float, nargs=4, action="append", metavar=("X1", "Y1", "X2", "Y2"), help="instead of the detector"
)
parser.add_argument("--draw", type=Path, help="write a picture: points, surer ones green, and where the person is")
given = parser.parse_args()

pixels = cv2.imread(str(given.photo), cv2.IMREAD_COLOR)  # turned upright, as the camera was held
if pixels is None:
    raise SystemExit(f"{given.photo}: no image that can be read")
image = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
boxes = np.array(given.box) if given.box else OnnxModel(given.detector).predict(image)[0]["person"]["xyxy"]
model = OnnxModel(given.model)
names, picture = model.words("pose"), image.copy()
people = model.predict(image, boxes)
for person in people:  # pose xy, score; seg ids, score; depth z; normal n: see runtime.decode
    parts = map_to_photo(person["seg"]["ids"], person["crop"], border=0)
    picture[parts > 0] = picture[parts > 0] // 2 + np.array([0, 90, 120], np.uint8)
for box, person in zip(boxes, people, strict=True):
    rows = [[*xy, score] for xy, score in zip(person["pose"]["xy"].tolist(), person["pose"]["score"].tolist(), strict=True)]
    print(json.dumps({"box": box.tolist(), "keypoints": dict(zip(names, rows, strict=True))}))
    for x, y, score in rows:
        cv2.circle(picture, (round(x), round(y)), 3, (0, 255, 0) if score > 0.3 else (255, 0, 0), -1)
if given.draw:
    cv2.imwrite(str(given.draw), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
