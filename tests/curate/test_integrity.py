from __future__ import annotations

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")

from piles import hostile, jpeg, picture, png

from vitruvian.curate.integrity import LONGEST, Refusal, open_image


@pytest.mark.parametrize("name", hostile())
def test_what_is_not_one_whole_image_is_refused_by_name(name: str) -> None:
    content, word = hostile()[name]
    with pytest.raises(Refusal) as told:
        open_image(content, name)
    assert told.value.kind == word


@pytest.mark.parametrize("where", [0.2, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("encode", [jpeg, png, lambda image: jpeg(image, progressive=True)])
def test_a_cut_at_any_place_is_seen(encode, where: float) -> None:
    content = encode(picture(3))
    with pytest.raises(Refusal):
        open_image(content[: int(len(content) * where)], "a")


def test_what_cameras_write_after_the_end_is_no_polyglot() -> None:
    assert open_image(jpeg(picture(3)) + b"\0\0\0\n" + b"SEFT" * 20, "a.jpg").format == "JPEG"


def test_a_list_of_properties_beside_the_pixels_is_no_page_of_the_web() -> None:
    assert open_image(jpeg(picture(3), comment=b'<?xml version="1.0"?><!DOCTYPE plist PUBLIC "x">'), "a.jpg").format == "JPEG"


def test_large_photos_are_reduced_and_their_size_is_told() -> None:
    view = open_image(jpeg(picture(3, (1500, 2200), 0)), "a.jpg").view
    assert max(view.pixels.shape[:2]) == LONGEST
    assert view.size == (1500, 2200)
    assert view.scale == pytest.approx(2200 / LONGEST)


def test_photos_are_upright() -> None:
    exif = picture(3).getexif()
    exif[0x0112] = 6
    opened = open_image(jpeg(picture(3, (320, 400)), exif=exif), "a.jpg")
    assert opened.view.size == (400, 320) == opened.view.pixels.shape[:2]


def test_an_animation_is_no_photo() -> None:
    import io

    file = io.BytesIO()
    picture(1).save(file, "GIF", save_all=True, append_images=[picture(2)])
    with pytest.raises(Refusal, match="animation: 2 frames"):
        open_image(file.getvalue(), "a.gif")
