"""The packaged synthetic body: random shapes, face expressions, posing, part scores, fields and landmarks. Only numpy.

Axes: metres, +x = the subject's left, -y = front, +z up. A *packed* vertex array holds every mesh group and, as
pseudo-vertices skinned wholly to their bone, the bone heads and tails; so one array carries surface and skeleton.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from vitruvian.types import Array

ADULT_AGE = 0.6  # of 0..1, anny's scale: 1/3 child, 2/3 young adult, 1 old


class Rest(NamedTuple):
    """A body before posing. vertices (V, 3), heads (J, 3), tails (J, 3), f32 metres; heads and tails are views."""

    vertices: Array
    heads: Array
    tails: Array


class Posed(NamedTuple):
    """A posed body. vertices (V, 3) f32 metres, transforms (J, 4, 4) f32 from rest to world, one a bone."""

    vertices: Array
    transforms: Array


@dataclass(frozen=True)
class Landmarks:
    """K points as weighted sums of packed vertices.

    index (K, M) i32, weight (K, M) f32 with rows summing to 1; surface (K,) True on the skin, False inside the body;
    exists (K,) False where the point has no definition on this body; part (K,) row of `Body.part_names`; bone (K,).
    """

    names: tuple[str, ...]
    index: Array
    weight: Array
    surface: Array
    exists: Array
    part: Array
    bone: Array

    def locate(self, vertices: Array) -> Array:
        """Points (K, 3) f32 of a packed vertex array (V, 3); NaN where a point does not exist."""
        points: Array = np.einsum("km,kmc->kc", self.weight, vertices[self.index])
        points[~self.exists] = np.nan
        return points


def rotation(x: float, y: float, z: float) -> Array:
    """Rotation matrix (3, 3) f32 of turns about the fixed x, then y, then z axis, in degrees."""
    matrix = np.eye(3)
    for axis, degrees in enumerate((x, y, z)):
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        turn = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn[[first, second], [first, second]] = cos
        turn[first, second], turn[second, first] = -sin, sin
        matrix = turn @ matrix
    return matrix.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Body:
    """The body asset, unpacked. V packed vertices, J bones, P parts, K shape components, N bank bodies, A actions.

    groups: packed range of each group; faces: group -> (F, 3) i32 into the packed vertices; part_scores (V, P) f32,
    whose interpolated arg-max is the part of a pixel; fields: name -> (V,) f32; bank (N, K) shape coefficients.
    """

    template: Array
    groups: Mapping[str, slice]
    faces: Mapping[str, Array]
    mirror: Array
    bone_names: tuple[str, ...]
    parents: Array
    weights_index: Array
    weights: Array
    part_names: tuple[str, ...]
    part_scores: Array
    fields: Mapping[str, Array]
    landmarks: Mapping[str, Landmarks]
    basis: Array
    bank: Array
    bank_info: Mapping[str, Array]
    actions: tuple[str, ...]
    action_index: tuple[Array, ...]
    action_delta: tuple[Array, ...]
    dense_weights: Array
    levels: tuple[Array, ...]

    @staticmethod
    @lru_cache(maxsize=1)
    def load() -> Body:
        """The packaged body, read once a process."""
        with (files("vitruvian.synth") / "assets" / "body.npz").open("rb") as file, np.load(file) as arrays:
            return _unpack({name: arrays[name] for name in arrays.files})

    def bone(self, name: str) -> int:
        """Row of a bone."""
        return self.bone_names.index(name)

    def sample_shape(self, rng: np.random.Generator, adult: bool = True) -> Array:
        """Coefficients (K,) f32 of a new body: a mix of a bank body and one of its near ones.

        Near = alike in gender and age; without `adult` children are drawn too.
        """
        info = self.bank_info
        rows = np.flatnonzero(info["adult"] > 0.5) if adult else np.arange(len(self.bank))
        first = int(rng.choice(rows))
        difference = (
            np.abs(info["gender"][rows] - info["gender"][first]) / 0.25 + np.abs(info["age"][rows] - info["age"][first]) / 0.1
        )
        second = int(rng.choice(rows[difference < 1.0]))
        share = rng.uniform(0.0, 0.5)
        mixed: Array = (1.0 - share) * self.bank[first] + share * self.bank[second]
        return mixed.astype(np.float32)

    def rest(self, shape: Array, expression: Mapping[str, float] | None = None) -> Rest:
        """The body of shape coefficients (K,) with face actions (name -> strength, usually 0..1), in the rest pose."""
        change = shape.astype(np.float32) @ self.basis.reshape(len(self.basis), -1)
        vertices = self.template + change.reshape(self.template.shape)
        for name, strength in (expression or {}).items():
            action = self.actions.index(name)
            vertices[self.action_index[action]] += np.float32(strength) * self.action_delta[action]
        return Rest(vertices, vertices[self.groups["heads"]], vertices[self.groups["tails"]])

    def pose(self, vertices: Array, heads: Array, rotations: Array, translation: Array | None = None) -> Posed:
        """Linear blend skinning.

        vertices (V, 3) and heads (J, 3) from `rest`; rotations (J, 3, 3): the turn of each bone about its own head in
        world-aligned rest axes, on top of its parent's; translation (3,) metres moves the whole body.
        """
        transforms = self._transforms(heads, rotations)
        if translation is not None:
            transforms[:, :3, 3] += translation
        blended = (self.dense_weights @ transforms[:, :3].reshape(len(heads), 12)).reshape(-1, 3, 4)
        posed = np.matmul(blended[:, :, :3], vertices[:, :, None])[:, :, 0] + blended[:, :, 3]
        return Posed(posed, transforms)

    def _transforms(self, heads: Array, rotations: Array) -> Array:
        """Rest-to-world transform (J, 4, 4) f32 of every bone, one level of the tree at a time."""
        local = np.zeros((len(heads), 4, 4), np.float32)
        local[:, :3, :3] = rotations
        local[:, :3, 3] = heads - np.einsum("jab,jb->ja", rotations, heads)
        local[:, 3, 3] = 1.0
        for level in self.levels:
            local[level] = local[self.parents[level]] @ local[level]
        return local


def _unpack(arrays: dict[str, Array]) -> Body:
    bone_names = tuple(str(name) for name in arrays["bone_names"])
    weights = _unit_rows(arrays["weights"].astype(np.float32))
    fine = arrays["shape_fine"] * arrays["shape_scale"][:, None, None]
    starts = zip(arrays["group_names"], arrays["group_ranges"], strict=True)
    groups = {str(name): slice(int(start), int(stop)) for name, (start, stop) in starts}
    bounds = list(zip(arrays["action_start"][:-1], arrays["action_start"][1:], strict=True))
    scales = zip(bounds, arrays["action_scale"], strict=True)
    index = arrays["weights_index"].astype(np.int32)
    return Body(
        template=arrays["template"],
        groups=MappingProxyType(groups),
        faces=MappingProxyType({k[6:]: v.astype(np.int32) for k, v in arrays.items() if k.startswith("faces_")}),
        mirror=arrays["mirror"].astype(np.int32),
        bone_names=bone_names,
        parents=arrays["parents"].astype(np.int32),
        weights_index=index,
        weights=weights,
        part_names=tuple(str(name) for name in arrays["part_names"]),
        part_scores=arrays["part_scores"].astype(np.float32) * float(arrays["part_step"]),
        fields=MappingProxyType({k[6:]: v.astype(np.float32) for k, v in arrays.items() if k.startswith("field_")}),
        landmarks=MappingProxyType({str(name): _landmarks(arrays, str(name)) for name in arrays["landmark_sets"]}),
        basis=np.concatenate([arrays["shape_wide"].astype(np.float32), fine.astype(np.float32)]),
        bank=arrays["bank"].astype(np.float32),
        bank_info=MappingProxyType(_bank_info(arrays)),
        actions=tuple(str(name) for name in arrays["action_names"]),
        action_index=tuple(arrays["action_index"][a:b].astype(np.int32) for a, b in bounds),
        action_delta=tuple(arrays["action_delta"][a:b].astype(np.float32) * scale for (a, b), scale in scales),
        dense_weights=_dense(index, weights, len(bone_names)),
        levels=_levels(arrays["parents"]),
    )


def _unit_rows(weights: Array) -> Array:
    """Weights (V, I) whose rows sum to 1."""
    return np.asarray(weights / weights.sum(1, keepdims=True))


def _dense(index: Array, weights: Array, bones: int) -> Array:
    """Skin weights (V, J) f32: one matrix product beats gathers on a CPU."""
    dense = np.zeros((len(index), bones), np.float32)
    np.add.at(dense, (np.arange(len(index))[:, None], index), weights)
    return dense


def _levels(parents: Array) -> tuple[Array, ...]:
    """Bones by distance from the root, the root itself left out."""
    depth = np.zeros(len(parents), np.int64)
    for bone, parent in enumerate(parents):
        depth[bone] = 0 if parent < 0 else depth[parent] + 1
    return tuple(np.flatnonzero(depth == level) for level in range(1, int(depth.max()) + 1))


def _bank_info(arrays: dict[str, Array]) -> dict[str, Array]:
    """Phenotype values (N,) f32 by name, with `adult` (0 or 1) and `stature` (metres)."""
    info = {
        str(name): column.astype(np.float32) for name, column in zip(arrays["bank_labels"], arrays["bank_info"].T, strict=True)
    }
    return info | {"adult": (info["age"] >= ADULT_AGE).astype(np.float32), "stature": arrays["bank_stature"].astype(np.float32)}


def _landmarks(arrays: dict[str, Array], name: str) -> Landmarks:
    part = {key: arrays[f"landmark_{name}_{key}"] for key in ("names", "index", "weight", "surface", "exists", "part", "bone")}
    return Landmarks(
        names=tuple(str(label) for label in part["names"]),
        index=part["index"].astype(np.int32),
        weight=_unit_rows(part["weight"].astype(np.float32)),
        surface=part["surface"],
        exists=part["exists"],
        part=part["part"].astype(np.int32),
        bone=part["bone"].astype(np.int32),
    )
