"""What is made of results that are there: `keypoints`, `maps`, `depth`."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro

from vitruvian.cli.options import Axes, File, Flag, Folder, MaybeFile, MaybeWhole, Results, Whole


def keypoints() -> int:
    """Convert keypoints of results to other sets and programs, and measure joint angles: list, convert, angles."""
    raise NotImplementedError  # a group: see GROUPS


def keypoints_list(name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[SET]")] = "") -> int:
    """List the keypoint sets and what each shares with those that models answer in; or list the points of one set.

    Args:
        name: A set, whose points are listed, numbered from 0; all sets if left out.
    """
    from vitruvian.keypoints.command import show

    return show(name)


def keypoints_convert(
    results: Results,
    to: Annotated[str, tyro.conf.arg(metavar="SET")],
    out: Annotated[File, tyro.conf.arg(metavar="FOLDER|FILE")],
    style: Literal["auto", "results", "openpose", "csv", "coco"] = "auto",
    overwrite: Flag = False,
) -> int:
    """Write keypoints of results in another set. Points without an equivalent get score 0 and are named, in the files and here.

    Args:
        results: STEM.json or STEM.frames.jsonl of `vitruvian predict`, or folders of them.
        to: A set of `vitruvian keypoints list`, such as coco17, openpose25, halpe26, mediapipe33 or h36m17.
        out: A folder, for one file per photo; FILE.csv, for one table; FILE.json, for one COCO file.
        style: auto goes by the name of --out; openpose writes OpenPose's JSON (with --to openpose18 or openpose25).
        overwrite: Replace files that are already there.
    """
    from vitruvian.keypoints.command import convert

    return convert(results, to, out, style, overwrite)


def keypoints_angles(results: Results, out: File, threshold: float = 0.3, overwrite: Flag = False) -> int:
    """Write the angles of elbows, shoulders, hips, knees and ankles, and the lean of neck and trunk, one row per person and
    frame.

    In degrees in the plane of the picture; nan where a point that an angle needs is not seen well enough.

    Args:
        results: STEM.json or STEM.frames.jsonl of `vitruvian predict`, or folders of them.
        out: The table, FILE.csv.
        threshold: Score below which a keypoint is not used.
        overwrite: Replace a file that is already there.
    """
    from vitruvian.keypoints.command import angles

    return angles(results, out, threshold, overwrite)


def maps() -> int:
    """Convert maps of results for other programs (mattes, cut-outs, EXR, COCO masks): convert."""
    raise NotImplementedError  # a group: see GROUPS


def maps_convert(
    results: Results,
    to: Literal["alpha", "cutout", "exr", "coco"],
    out: Annotated[File, tyro.conf.arg(metavar="FOLDER|FILE")],
    sequence: Annotated[str, tyro.conf.arg(metavar="NAME")] = "",
    start: Whole = 1,
    digits: Whole = 4,
    axes: Axes = "camera",
    given_axes: Axes | None = None,
    photos: Annotated[MaybeFile, tyro.conf.arg(metavar="FOLDER|FILE")] = None,
    overwrite: Flag = False,
) -> int:
    """Write maps of results for other programs.

    Args:
        results: STEM.json of `vitruvian predict`, or folders of them.
        to: alpha (PNG, 255 = somebody), cutout (the photo as RGBA PNG; needs --photos), exr (depth in Y and Z, normals in R, G,
            B, always with A), coco (one JSON of people with run-length masks).
        out: Folder for the files; FILE.json for coco.
        sequence: Number the files, as in NAME.depth.0001.exr; if left out they are named after their photo.
        start: Number of the first photo in the sequence. A photo that fails leaves a gap.
        digits: Digits of the number.
        axes: Axes of normals: camera (x right, y down, z away), opengl (y up, z towards the camera), directx (y down, z towards
            the camera).
        given_axes: Axes that the normals are in, where their result does not state them (official weights).
        photos: Folder of the photos (or the photo), for cutout.
        overwrite: Replace files that are already there.
    """
    from vitruvian.maps.command import Numbering, convert

    return convert(results, to, out, Numbering(sequence, start, digits), axes, photos, overwrite, given_axes)


def depth() -> int:
    """Turn relative depth into metres from what is known of the scene, and into point clouds: align, cloud."""
    raise NotImplementedError  # a group: see GROUPS


def depth_align(
    result: Annotated[File, tyro.conf.Positional, tyro.conf.arg(metavar="RESULT")],
    out: Folder,
    anchors: MaybeFile = None,
    height: float | None = None,
    person: MaybeWhole = None,
    span: float | None = None,
    fov: float | None = None,
    focal: float | None = None,
    photo: MaybeFile = None,
    given_axes: Axes | None = None,
    overwrite: Flag = False,
) -> int:
    """Turn the relative depth of a result into metres, person by person: STEM.metric.json and STEM.metric.npy.

    Args:
        result: STEM.json of `vitruvian predict` with depth.
        out: Folder for the files.
        anchors: CSV x,y,metres: two or more pixels on each person whose distance along the viewing axis is known.
        height: Height in metres of one person who stands straight and is seen from head to feet.
        person: Which person has that height, counted from 1; needed if there are several.
        span: With --height: metres from that person's nearest to the farthest pixel; from the surface normals if left out.
        fov: Horizontal field of view in degrees.
        focal: Focal length in pixels, instead of --fov.
        photo: The uncropped photo, to read the focal length from its EXIF if neither is given.
        given_axes: Axes that the normals are in, where the result does not state them (official weights).
        overwrite: Replace files that are already there.
    """
    from vitruvian.depth.command import align

    return align(result, out, anchors, height, person, span, fov, focal, photo, overwrite, given_axes)


def depth_cloud(
    results: Results,
    out: Folder,
    fov: float | None = None,
    focal: float | None = None,
    photo: Annotated[MaybeFile, tyro.conf.arg(metavar="FILE|FOLDER")] = None,
    axes: Axes = "camera",
    stride: Whole = 1,
    overwrite: Flag = False,
) -> int:
    """Write point clouds in metres (PLY) from metric depth. Relative depth is refused: align it first.

    Args:
        results: STEM.metric.json of `vitruvian depth align`, or STEM.json of a model of metric depth.
        out: Folder for the .ply files.
        fov: Horizontal field of view in degrees; as in the alignment if left out.
        focal: Focal length in pixels, instead of --fov.
        photo: The photo (or the folder of the photos), for colours, and for its EXIF if nothing else tells the camera.
        axes: camera (x right, y down, z away), opengl (y up, z towards the camera) or directx (y down, z towards the camera).
        stride: Take every N-th pixel.
        overwrite: Replace files that are already there.
    """
    from vitruvian.depth.command import clouds

    return clouds(results, out, fov, focal, photo, axes, stride, overwrite)
