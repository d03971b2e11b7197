"""Held-out synthetic people by group, in other skin and with fewer pixels; the card they fill."""

import json

import numpy as np
import pytest
from made_people import BoxPredictor

from vitruvian.data.sources import Synthetic
from vitruvian.errors import InputError, UsageError
from vitruvian.evaluate.card import fill, mark
from vitruvian.evaluate.command import Wanted, run
from vitruvian.evaluate.hold_out import HoldOut, ita, ita_words, judge, shrunk, tones, worst_subjects
from vitruvian.evaluate.synthetic import picture
from vitruvian.synth.appearance.colors import SKIN
from vitruvian.synth.dataset.generate import generate

FRAMES = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("held-out")
    generate(out, FRAMES, (96, 72), seed=2, workers=0, images=False, backend="numpy")
    return out


@pytest.fixture(scope="module")
def judged(folder) -> HoldOut:
    return judge(folder, BoxPredictor())


def test_skin_is_the_only_thing_that_changes(folder):
    source = Synthetic(folder)
    frame = source.frame(0)
    light, dark = (picture(source, 0, frame, tone).astype(int) for tone in (0.0, 1.0))
    skin = frame.material == 1
    assert (light[skin] - dark[skin]).mean() > 10
    behind = frame.person == 0
    behind[:, 1:] &= ~(frame.person[:, :-1] > 0)  # the outline is mixed
    assert np.median(np.abs(light[behind] - dark[behind])) <= 3
    np.testing.assert_array_equal(picture(source, 0, frame), picture(source, 0, frame))


def test_tones_go_from_light_to_dark():
    assert ita_words(60) == "very light" and ita_words(0) == "brown" and ita_words(-40) == "dark"
    assert np.all(np.diff([ita(color) for color in SKIN]) < 0)
    names = list(tones())
    assert [name.split(" (")[0] for name in names] == ["very light", "intermediate", "brown", "dark"]
    assert list(tones().values())[-1] == 1


def steps(image):
    return np.abs(np.diff(image.astype(int), axis=0)).mean()


def test_a_shrunk_picture_keeps_its_labels(folder):
    source = Synthetic(folder)
    frame = source.frame(0)
    sample = frame.sample(0, picture(source, 0, frame))
    found = dict(shrunk(sample))
    side = max(sample.box[2:] - sample.box[:2])
    assert list(found) == [f"{n} px" for n in (128, 64, 32) if side > n]
    for other in found.values():
        assert other.image.shape == sample.image.shape and other.key == sample.key
        assert steps(other.image) < steps(sample.image)


def test_everybody_is_in_every_grouping(judged):
    figures = judged.figures()
    people = figures["groups"]["everybody"]["everybody"]["people"]
    assert people == len(judged.people) > 0
    for grouping in ("size", "framing", "border", "pose", "age", "body shape", "seen", "company"):
        assert sum(row["people"] for row in figures["groups"][grouping].values()) == people
    assert all(row["people"] == people for row in figures["skin"].values())
    assert len(figures["skin_differences"]) == 3
    # nothing that does not look at the picture can tell the tones apart
    for row in figures["skin_differences"].values():
        assert row["pose/pck/body"]["mean"] == 0
    assert all(row["people"] <= people for row in figures["shrunk"].values())


def test_the_worst_can_be_shown(folder, judged):
    subjects = worst_subjects(folder, [0], BoxPredictor())
    assert subjects[0].truth.keypoints.shape == (17, 3)
    assert all(0 <= index < FRAMES for index in judged.worst)


def test_a_card_is_filled_between_its_marks(tmp_path):
    card = tmp_path / "card.md"
    begin, end = mark("figures")
    card.write_text(f"before\n{begin}\nold\n{end}\nafter\n")
    for _ in range(2):
        fill(card, "figures", "new\n")
        assert card.read_text() == f"before\n{begin}\n\nnew\n\n{end}\nafter\n"
    with pytest.raises(InputError, match="no place for speed"):
        fill(card, "speed", "new")


def test_the_command_fills_the_card(folder, tmp_path, capsys):
    card, out = tmp_path / "docs" / "card.md", tmp_path / "figures"
    card.parent.mkdir()
    card.write_text("# Card\n" + "\n".join(line for part in ("measured", "figures", "failures") for line in mark(part)) + "\n")
    assert run(Wanted(out, synth=folder, card=card, limit=2), "vitruvian-s", "cpu") == 0
    text = card.read_text()
    figures = json.loads((out / "synthetic.json").read_text())
    assert figures["provenance"]["weights"] in text and "**A trial** of the first 2 frames" in text
    assert "../figures/worst.jpg" in text and (out / "worst.jpg").is_file()
    for grouping, groups in figures["groups"].items():
        assert f"| {grouping} | n |" in text
        assert all(f"| {group} |" in text for group in groups)
    assert "| skin | n |" in capsys.readouterr().out


def test_impossible_wishes_are_refused(tmp_path):
    card = tmp_path / "card.md"
    card.write_text("# no marks\n")
    for wanted, said in (
        (Wanted(tmp_path), "nothing to measure"),
        (Wanted(tmp_path, synth=tmp_path, limit=0), "--limit 0"),
        (Wanted(tmp_path, shared=tmp_path, card=card), "--synth"),
        (Wanted(tmp_path, synth=tmp_path, groups=card), "--coco"),
    ):
        with pytest.raises(UsageError, match=said):
            run(wanted, "vitruvian-s", "cpu")
    with pytest.raises(InputError, match="no place for the figures"):
        run(Wanted(tmp_path, synth=tmp_path, card=card), "vitruvian-s", "cpu")
