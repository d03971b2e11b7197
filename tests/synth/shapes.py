"""Hand-made surfaces and scenes whose labels are known without a body: spheres, quads, a capsule person."""

from __future__ import annotations

import os
import time

import numpy as np

from vitruvian.data.gbuffer import MATERIAL, GBuffer, SynthPerson
from vitruvian.synth.surface import Points, Scene, ScenePerson, Surface

SKIN = 1
GROUP_SIZE = (80, 60)


def camera(size: tuple[int, int], focal: float | None = None) -> np.ndarray:
    height, width = size
    f = focal or 1.2 * height
    return np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1]])


def sphere(rings: int, sectors: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit sphere, poles on y: vertices (V, 3) float32, outward faces (F, 3) int32."""
    theta = np.linspace(0, np.pi, rings + 1)[1:-1]
    phi = np.arange(sectors) * 2 * np.pi / sectors
    t, p = np.meshgrid(theta, phi, indexing="ij")
    body = np.stack([np.sin(t) * np.cos(p), np.cos(t), np.sin(t) * np.sin(p)], -1).reshape(-1, 3)
    vertices = np.concatenate([body, [[0, 1, 0], [0, -1, 0]]]).astype(np.float32)
    top, bottom = len(body), len(body) + 1
    faces = []
    for j in range(sectors):
        k = (j + 1) % sectors
        faces.append((top, k, j))
        faces.append((bottom, (rings - 2) * sectors + j, (rings - 2) * sectors + k))
        for i in range(rings - 2):
            a, b, c, d = i * sectors + j, i * sectors + k, (i + 1) * sectors + j, (i + 1) * sectors + k
            faces += [(a, b, c), (b, d, c)]
    return vertices, np.array(faces, np.int32)


def surface(vertices, faces, part=21, material=SKIN, person=0, name="shape", scores=None, labels=None, rest=None) -> Surface:
    vertices = np.asarray(vertices, np.float32)
    return Surface(
        name=name,
        vertices=vertices,
        faces=np.asarray(faces, np.int32),
        rest=vertices if rest is None else rest,
        scores=np.ones((len(vertices), 1), np.float32) if scores is None else np.asarray(scores, np.float32),
        labels=((part, material),) if labels is None else labels,
        person=person,
    )


def ball(centre, radius, part=21, person=0, rings=24, sectors=32) -> Surface:
    vertices, faces = sphere(rings, sectors)
    return surface(vertices * np.asarray(radius) + np.asarray(centre), faces, part, person=person)


def quad(z=2.0, half=1.0, centre=(0.0, 0.0), **options) -> Surface:
    x, y = centre
    corners = [(x - half, y - half, z), (x + half, y - half, z), (x + half, y + half, z), (x - half, y + half, z)]
    return surface(corners, [(0, 1, 2), (0, 2, 3)], **options)


def points(position, surface=True, normal=(0, 0, -1), radius=0.0, defined=True) -> Points:
    position = np.atleast_2d(np.asarray(position, np.float32))
    count = len(position)
    return Points(
        position=position,
        defined=np.broadcast_to(defined, count).copy(),
        surface=np.broadcast_to(surface, count).copy(),
        normal=np.broadcast_to(np.asarray(normal, np.float32), (count, 3)).copy(),
        radius=np.broadcast_to(np.float32(radius), count).copy(),
    )


def capsule_scene(seed: int, index: int, size: tuple[int, int]) -> Scene:
    """One or two people of ellipsoids, drawn from (seed, index): what the dataset writer needs of a sampler."""
    rng = np.random.default_rng([seed, index])
    surfaces, people = [], []
    for person in range(int(rng.integers(1, 3))):
        at = np.array([rng.uniform(-0.6, 0.6), 0.1, rng.uniform(2.5, 4)])
        surfaces.append(ball(at, (0.25, 0.5, 0.15), part=22, person=person))
        surfaces.append(ball(at - (0, 0.65, 0), (0.1, 0.13, 0.12), part=2, person=person))
        where = np.concatenate([[at - (0, 0.65, 0.12)], np.repeat(at[None], 132, 0)])
        named = points(where, surface=np.arange(133) == 0, radius=0.15, defined=np.arange(133) < 17)
        people.append(ScenePerson({"wholebody133": named}, {"age": float(rng.uniform(20, 60))}))
    return Scene(tuple(surfaces), tuple(people), camera(size), size, f"{index:06d}")


def broken_scene(seed: int, index: int, size: tuple[int, int]) -> Scene:
    """The same, but sample 1 cannot be made."""
    if index == 1:
        raise ValueError("this pose has no elbow")
    return capsule_scene(seed, index, size)


def slow_scene(seed: int, index: int, size: tuple[int, int]) -> Scene:
    """The same; in an environment with SLOW, samples from the third on take that many seconds."""
    if index >= 2:
        time.sleep(float(os.environ.get("SLOW", 0)))
    return capsule_scene(seed, index, size)


def sometimes_broken_scene(seed: int, index: int, size: tuple[int, int]) -> Scene:
    """`broken_scene` in an environment with BROKEN, else whole."""
    return (broken_scene if "BROKEN" in os.environ else capsule_scene)(seed, index, size)


def group(box=(20, 10, 39, 69), depth=3.0) -> GBuffer:
    """A flat rectangular person."""
    person = np.zeros(GROUP_SIZE, np.uint8)
    person[box[1] : box[3] + 1, box[0] : box[2] + 1] = 1
    inside = person[..., None] > 0
    y, x = np.mgrid[: GROUP_SIZE[0], : GROUP_SIZE[1]] / 50
    return GBuffer(
        person, person * MATERIAL["upper_cloth"], person * 22, np.where(person, depth, np.nan).astype(np.float32),
        np.where(inside, np.array([0, 0, -1.0]), np.nan).astype(np.float32),
        np.where(inside, np.stack([x, y, -y], -1), np.nan).astype(np.float32),
        np.array([[90.0, 0, 29.5], [0, 90, 39.5], [0, 0, 1]]),
        (SynthPerson(np.array(box, np.float32), np.zeros((133, 3)), np.zeros((308, 3)), {}),), "g",
    )  # fmt: skip
