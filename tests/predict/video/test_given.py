from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vitruvian.errors import InputError
from vitruvian.predict.video.given import read_given

HEAD = "frame,x1,y1,x2,y2"


def written(path: Path, *lines: str) -> Path:
    file = path / "boxes.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_boxes_by_frame_in_any_order_and_with_more_columns_than_needed(tmp_path: Path) -> None:
    given = read_given(written(tmp_path, "x1,y1,x2,y2,frame,nose_x", "0,0,10,20,2,9", "5,6,7,8,0,9", "1,2,3,4,2,9"))
    assert [len(given.people(i)) for i in range(4)] == [1, 0, 2, 0]
    first, second = given.people(2)
    assert first.box.tolist() == [0, 0, 10, 20] and second.box.tolist() == [1, 2, 3, 4]
    assert (first.score, first.track, first.origin, given.tracked) == (1.0, None, "user", False)


def test_tracks_and_scores_are_taken_where_they_are_given(tmp_path: Path) -> None:
    given = read_given(written(tmp_path, f"track,{HEAD},score", "7,0,0,0,9,9,0.5", "3,0,20,0,30,9,", "7,1,0,0,9,9,0.25"))
    assert given.tracked
    assert [(p.track, p.score) for p in given.people(0)] == [(7, 0.5), (3, 1.0)]
    assert not read_given(written(tmp_path, f"track,{HEAD}", "7,0,0,0,9,9", ",0,20,0,30,9")).tracked, "one is not known"


def test_a_header_alone_means_nobody(tmp_path: Path) -> None:
    assert read_given(written(tmp_path, HEAD)).people(0) == []


def test_the_digest_tells_boxes_apart(tmp_path: Path) -> None:
    one, same, other = (
        read_given(written(tmp_path, HEAD, line)).digest() for line in ("0,1,2,3,4", "0,1.0,2,3,4", "0,1,2,3,5")
    )
    assert one == same != other


def test_boxes_are_cut_at_the_border_and_refused_outside(tmp_path: Path) -> None:
    given = read_given(written(tmp_path, HEAD, "0,0,0,100.5,50"))
    assert given.within((50, 100)).people(0)[0].box.tolist() == [0, 0, 100, 50]
    with pytest.raises(InputError, match=r"box \(0, 0, 100.5, 50\) of frame 0 lies outside the frame of 90x50 px"):
        given.within((50, 90))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["image,x1,y1,x2,y2", "a.jpg,0,0,1,1"], "without the columns frame"),
        ([], "without the columns frame, x1"),
        ([HEAD, "0,1,2,3,x"], "line 2: y2 is 'x', no number"),
        ([HEAD, "0,1,2,3"], "line 2: y2 is '', no number"),
        ([HEAD, "0,1,2,3,4", "-1,1,2,3,4"], "line 3: frame is -1"),
        ([HEAD, "nan,1,2,3,4"], "line 2: frame is nan"),
        ([HEAD, "0,9,2,3,4"], "line 2: .* is inverted or empty"),
        ([HEAD, "0,nan,2,3,4"], "line 2: .* is not finite"),
        ([f"track,{HEAD}", "4,0,1,2,3,4", "4,0,5,6,7,8"], "track 4 is in frame 0 more than once"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, lines: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        read_given(written(tmp_path, *lines))
    assert "Allowed: " in str(caught.value) and "\n" not in str(caught.value)


def test_an_absent_or_binary_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_given(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(np.arange(256, dtype=np.uint8).tobytes())
    with pytest.raises(InputError, match="is no CSV"):
        read_given(tmp_path / "b.csv")
