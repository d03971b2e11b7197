"""What is made of results that are there: `keypoints`, `maps`, `depth`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from vitruvian.cli.options import Flag, Results, Word


def keypoints() -> int:
    """Keypoints of results in other sets and for other programs, and joint angles: list, convert, angles."""
    raise NotImplementedError  # a group: see GROUPS


def keypoints_list(name: Word = "") -> int:
    """List the sets of keypoints and what each has in common with those that models answer in; or the points of one set.

    Args:
        name: A set, to see its points, numbered from 0; all sets if left out.
    """
    from vitruvian.keypoints.command import show

    return show(name)


def keypoints_convert(
    results: Results,
    to: str,
    out: Path,
    style: Literal["auto", "results", "openpose", "csv", "coco"] = "auto",
    overwrite: Flag = False,
) -> int:
    """Write keypoints of results in another set. What has no equivalent gets score 0 and is named, in the files and here.

    Args:
        results: STEM.json or STEM.frames.jsonl of `vitruvian predict`, or folders of them.
        to: A set of `vitruvian keypoints list`, such as coco17, openpose25, halpe26, mediapipe33 or h36m17.
        out: A folder, for one file a photo; FILE.csv, for one table; FILE.json, for one COCO file.
        style: auto goes by the name of --out; openpose writes OpenPose's JSON (with --to openpose18 or openpose25).
        overwrite: Replace files that are already there.
    """
    from vitruvian.keypoints.command import convert

    return convert(results, to, out, style, overwrite)


def keypoints_angles(results: Results, out: Path, threshold: float = 0.3, overwrite: Flag = False) -> int:
    """Write angles of elbows, shoulders, hips, knees and ankles, and the lean of neck and trunk, one row a person and frame.

    Degrees in the plane of the picture; nan where a point that an angle needs is not seen well enough.

    Args:
        results: STEM.json or STEM.frames.jsonl of `vitruvian predict`, or folders of them.
        out: The table, FILE.csv.
        threshold: Score below which a keypoint is not used.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.keypoints.command import angles

    return angles(results, out, threshold, overwrite)


def maps() -> int:
    """Maps of results for other programs, mattes, cut-outs, EXR, COCO masks: convert."""
    raise NotImplementedError  # a group: see GROUPS


def maps_convert(
    results: Results,
    to: Literal["alpha", "cutout", "exr", "coco"],
    out: Path,
    sequence: str = "",
    start: int = 1,
    digits: int = 4,
    normal_frame: Literal["camera", "opengl", "directx"] = "camera",
    photos: Path | None = None,
    overwrite: Flag = False,
) -> int:
    """Write maps of results for other programs.

    Args:
        results: STEM.json of `vitruvian predict`, or folders of them.
        to: alpha (PNG, 255 = somebody), cutout (the photo as RGBA PNG), exr (depth in Y and Z, normals in R, G, B, always
            with A), coco (one JSON of people with run-length masks).
        out: Folder of the files; FILE.json for coco.
        sequence: Name of a numbered sequence, SHOT.depth.0001.exr; files are called after their photo if left out.
        start: Number of the first photo in the sequence. A photo that fails leaves a gap.
        digits: Digits of the number.
        normal_frame: Axes of normals: camera (x right, y down, z away), opengl (y up, z towards the camera), directx (y down,
            z towards the camera).
        photos: Folder of the photos (or the photo), for cutout.
        overwrite: Replace files that are already there.
    """
    from vitruvian.maps.command import Numbering, convert

    return convert(results, to, out, Numbering(sequence, start, digits), normal_frame, photos, overwrite)


def depth() -> int:
    """Relative depth made metric by what is known of the scene, and point clouds of it: align, cloud."""
    raise NotImplementedError  # a group: see GROUPS


def depth_align(
    result: Annotated[Path, tyro.conf.Positional],
    out: Path,
    anchors: Path | None = None,
    height: float | None = None,
    person: int | None = None,
    span: float | None = None,
    fov: float | None = None,
    focal: float | None = None,
    photo: Path | None = None,
    overwrite: Flag = False,
) -> int:
    """Turn the relative depth of a result into metres, person by person: STEM.metric.json and STEM.metric.npy.

    Args:
        result: STEM.json of `vitruvian predict` with depth.
        out: Folder of the files.
        anchors: CSV x,y,metres: two or more pixels on each person whose distance along the viewing axis is known.
        height: Stature in metres of one person who stands straight and is seen from head to feet.
        person: Whose height it is, counted from 1; needed where there are several.
        span: With --height: metres from that person's nearest to the farthest pixel; from the surface normals if left out.
        fov: Horizontal field of view in degrees.
        focal: Focal length in pixels, instead of --fov.
        photo: The photo, for the focal length in its EXIF where neither is given. It must not be cropped.
        overwrite: Replace files that are already there.
    """
    from vitruvian.depth.command import align

    return align(result, out, anchors, height, person, span, fov, focal, photo, overwrite)


def depth_cloud(
    results: Results,
    out: Path,
    fov: float | None = None,
    focal: float | None = None,
    photo: Path | None = None,
    axes: Literal["camera", "opengl", "directx"] = "camera",
    stride: int = 1,
    overwrite: Flag = False,
) -> int:
    """Write a point cloud in metres (PLY) of metric depth. Relative depth is refused: align it first.

    Args:
        results: STEM.metric.json of `vitruvian depth align`, or STEM.json of a model of metric depth.
        out: Folder of the .ply files.
        fov: Horizontal field of view in degrees; as it was for the alignment if left out.
        focal: Focal length in pixels, instead of --fov.
        photo: The photo (or the folder of the photos), for colours, and for its EXIF where nothing else tells the camera.
        axes: camera (x right, y down, z away), opengl (y up, z towards the camera) or directx (y down, z towards the camera).
        stride: Take every so many pixels.
        overwrite: Replace files that are already there.
    """
    from vitruvian.depth.command import clouds

    return clouds(results, out, fov, focal, photo, axes, stride, overwrite)
