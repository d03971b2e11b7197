"""The same run on Ray Data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'vitruvian[curate]'")
pytest.importorskip("ray", reason="Ray is not installed: pip install 'vitruvian[ray]'")

import ray
from piles import RED, jpeg, make_pile, picture

from vitruvian.curate.run import curate, read_ledger
from vitruvian.curate.settings import Settings

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Ray's own
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def _closed():
    yield
    ray.shutdown()


@pytest.mark.parametrize("more", [{}, {"embedding": "packaged", "edits": ("piles:Darker",)}])
def test_a_cluster_writes_the_same_ledger(tmp_path: Path, more: dict[str, Any]) -> None:
    pile, settings = make_pile(tmp_path / "pile"), Settings(scorers=(RED,), shard_size=4, **more)
    curate([str(pile)], tmp_path / "ray", settings, workers=1, ray="local")
    curate([str(pile)], tmp_path / "embedded", settings, workers=0)
    assert read_ledger(tmp_path / "ray") == read_ledger(tmp_path / "embedded")
    for shard in sorted((tmp_path / "embedded" / "shards").iterdir()):
        assert (tmp_path / "ray" / "shards" / shard.name).read_bytes() == shard.read_bytes()


def test_an_image_that_kills_workers_of_a_cluster_costs_itself_alone(tmp_path: Path) -> None:
    folder = tmp_path / "pile"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(jpeg(picture(number)))
    (folder / "poison.jpg").write_bytes(jpeg(picture(7, (333, 444))))
    curate([str(folder)], tmp_path / "out", Settings(scorers=("piles:Poison",)), workers=1, ray="local")
    *others, last = read_ledger(tmp_path / "out")
    assert last["reason"].startswith("crash")
    assert all(row["stage"] in ("", "red") for row in others)
