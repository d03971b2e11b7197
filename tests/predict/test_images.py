from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitruvian.errors import InputError
from vitruvian.predict.images import MAX_PIXELS, Photo, from_array, from_pillow, read_photo

RED, GREEN, BLUE = (200, 30, 30), (30, 200, 30), (30, 30, 200)


def corners() -> Image.Image:
    """Upright: red top left, green top right, blue below; 40 wide, 60 high."""
    pixels = np.zeros((60, 40, 3), np.uint8)
    pixels[:30, :20], pixels[:30, 20:], pixels[30:] = RED, GREEN, BLUE
    return Image.fromarray(pixels)


def assert_corners(photo: Photo, tolerance: int = 12) -> None:
    assert photo.pixels.shape == (60, 40, 3)
    assert photo.pixels.dtype == np.uint8
    for (y, x), color in {(8, 5): RED, (8, 35): GREEN, (50, 20): BLUE}.items():
        np.testing.assert_allclose(photo.pixels[y, x].astype(int), color, atol=tolerance)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    stored = {
        1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180], 4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]  # fmt: skip
    image = corners()
    for step in stored:
        image = image.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(tmp_path / "x.jpg", exif=exif, quality=95, subsampling=0)
    assert_corners(read_photo(tmp_path / "x.jpg"))


@pytest.mark.parametrize("name", ["x.png", "x.bmp", "x.tif", "x.webp", "x.gif", "x.ppm", "x.jpg", "X.JPEG"])
def test_formats(tmp_path: Path, name: str) -> None:
    corners().save(tmp_path / name)
    assert_corners(read_photo(tmp_path / name), tolerance=30)


def test_cmyk(tmp_path: Path) -> None:
    corners().convert("CMYK").save(tmp_path / "x.jpg", quality=95)
    assert_corners(read_photo(tmp_path / "x.jpg"), tolerance=20)


def test_palette_and_one_bit(tmp_path: Path) -> None:
    corners().quantize(16).save(tmp_path / "p.png")
    assert_corners(read_photo(tmp_path / "p.png"))
    Image.fromarray(np.eye(32, dtype=bool)).save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_photo(tmp_path / "b.png").pixels[..., 0], np.eye(32, dtype=np.uint8) * 255)


def test_what_is_see_through_is_shown_on_white(tmp_path: Path) -> None:
    layer = corners().convert("RGBA")
    layer.putalpha(Image.fromarray(np.repeat(np.repeat(np.array([[255, 0]], np.uint8), 60, 0), 20, 1)))
    layer.save(tmp_path / "x.png")
    pixels = read_photo(tmp_path / "x.png").pixels
    assert (pixels[:, 20:] == 255).all()
    assert (pixels[5, 5] == RED).all()


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_grey_becomes_three_equal_channels(tmp_path: Path, mode: str) -> None:
    grey = corners().convert(mode)
    grey.save(tmp_path / "x.png")
    pixels = read_photo(tmp_path / "x.png").pixels
    assert pixels.shape == (60, 40, 3)
    assert (pixels == np.asarray(corners().convert("L"))[..., None]).all()


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_sixteen_bits_keep_their_brightness(tmp_path: Path, name: str) -> None:
    ramp = np.linspace(0, 65535, 64 * 32).astype(np.uint16).reshape(32, 64)
    Image.fromarray(ramp).save(tmp_path / name)
    pixels = read_photo(tmp_path / name).pixels
    np.testing.assert_allclose(pixels[..., 0], ramp / 257, atol=0.51)
    assert (pixels[..., 0] == pixels[..., 2]).all()


def test_first_frame_of_an_animation_with_a_note(tmp_path: Path) -> None:
    frames = [corners(), Image.new("RGB", (40, 60))]
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    photo = read_photo(tmp_path / "x.gif")
    assert_corners(photo, tolerance=30)
    assert photo.notes == ("first of 2 frames",)


def test_arrays_and_pillow_images() -> None:
    pixels = np.asarray(corners())
    assert (from_array(pixels).pixels == pixels).all()
    assert (from_array(pixels.astype(np.uint16) * 257).pixels == pixels).all()
    assert from_array(pixels[..., 0]).pixels.shape == (60, 40, 3)
    assert (from_array(np.dstack([pixels, np.zeros((60, 40), np.uint8)])).pixels == 255).all()
    assert (from_pillow(corners()).pixels == pixels).all()


@pytest.mark.parametrize("array", [np.zeros((60, 40, 3)), np.zeros((60, 40, 2), np.uint8), np.zeros(60, np.uint8)])
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"Allowed: \(H, W, 3\) uint8"):
        from_array(array)


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [9_500, 12_000, 60_000])
def test_decompression_bombs_are_refused_before_decoding(tmp_path: Path, side: int) -> None:
    assert side**2 > MAX_PIXELS
    (tmp_path / "bomb.png").write_bytes(png_header(side, side))
    with pytest.raises(InputError, match=r"bomb\.png: .*refused before decoding.*89 megapixels"):
        read_photo(tmp_path / "bomb.png")


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the file is empty"),
        (b"hello, I am a letter", "not an image"),
        (jpeg()[:-2000], "damaged or truncated"),
        (jpeg()[:50], "damaged or truncated|not an image"),
        (png_header(64, 64), "damaged or truncated"),
    ],
)
def test_damaged_files_say_so_in_one_line(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(InputError, match=text) as told:
        read_photo(tmp_path / "x.jpg")
    assert "\n" not in str(told.value)
    assert str(tmp_path / "x.jpg") in str(told.value)


@pytest.mark.parametrize("size", [(1, 1), (500, 3)])
def test_too_small(tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "x.png")
    with pytest.raises(InputError, match=rf"{size[0]}x{size[1]} px is too small\. Allowed: at least 16x16"):
        read_photo(tmp_path / "x.png")


def test_longer_than_opencv_can_warp(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png_header(32_767, 20))
    with pytest.raises(InputError, match="32767x20 px is too long"):
        read_photo(tmp_path / "x.png")


def test_floats_absent_files_and_folders(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((32, 32), np.float32)).save(tmp_path / "f.tif")
    for name, text in {"f.tif": "floating-point", "none.jpg": "no such file", ".": "cannot be read"}.items():
        with pytest.raises(InputError, match=text):
            read_photo(tmp_path / name)
