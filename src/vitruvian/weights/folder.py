"""A whole model at the hub, hub:OWNER/NAME[@REVISION]: the three files that the library transformers needs of it, and those for
its words where it has any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vitruvian.errors import UsageError, WeightsError
from vitruvian.weights.fetch import PREFIX, HubFile, cached, fetch

PREFIXES = (PREFIX, "hf:")  # the second is what others call it
FORM = "hub:OWNER/NAME or hub:OWNER/NAME@REVISION"
CONFIG, PROCESSOR, TENSORS = "config.json", "preprocessor_config.json", "model.safetensors"
NEEDED = (CONFIG, PROCESSOR, TENSORS)
WORDS = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt")


@dataclass(frozen=True)
class HubFolder:
    """A repository at the hub. revision: a branch, tag or commit; None is the main branch."""

    repo: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}" + (f"@{self.revision}" if self.revision else "")

    def file(self, name: str) -> HubFile:
        """One file of it."""
        return HubFile(self.repo, name, self.revision)


def is_folder_at_hub(name: str) -> bool:
    """True of what means to be a repository at the hub, not a file in one."""
    place = name.partition("@")[0]
    return name.startswith(PREFIXES) and place.count("/") < 2


def parse_folder(name: str) -> HubFolder:
    """`hub:owner/name[@revision]`; UsageError for anything else."""
    place, _, revision = name.partition(":")[2].partition("@")
    owner, _, repo = place.partition("/")
    if not (is_folder_at_hub(name) and owner and repo) or ".." in (owner, repo) or name.endswith("@"):
        raise UsageError(f"{name!r} is no repository at the hub. Allowed: {FORM}.")
    return HubFolder(place, revision or None)


def cached_folder(place: HubFolder) -> tuple[Path, str]:
    """Where its files lie in the local cache, and their commit. WeightsError if one is not there. No network."""
    paths = [cached(place.file(name)) for name in NEEDED]
    folders = {path.parent for path in paths if path is not None}
    if None in paths or len(folders) != 1:
        raise WeightsError(f"{place} is not in the cache. Fix: vitruvian models fetch {place}")
    (folder,) = folders
    return folder, folder.name  # the library calls it after the commit


def fetch_folder(place: HubFolder, say: Callable[[str], None]) -> tuple[Path, str]:
    """`cached_folder` after what is not there has been downloaded. WeightsError says what stands in the way."""
    from huggingface_hub.errors import EntryNotFoundError

    said = set[str]()

    def once(line: str) -> None:
        if line not in said:
            said.add(line)
            say(line)

    for name in (*NEEDED, *WORDS):
        try:
            fetch(place.file(name), None, once)
        except WeightsError as error:
            absent = isinstance(error.__cause__, EntryNotFoundError) and place.file(name).address in str(error)
            if absent and name in WORDS:
                continue
            if absent:
                raise WeightsError(f"{place} has no {name}. Fix: a repository or revision that has it, see {FORM}.") from error
            raise
    return cached_folder(place)


def folder_of(name: str) -> Path:
    """Where a model of transformers lies: a folder itself, or one at the hub that was fetched. WeightsError where it is not."""
    if is_folder_at_hub(name):
        return cached_folder(parse_folder(name))[0]
    if not Path(name).is_dir():
        raise WeightsError(f"no folder at {name}. Allowed: folders, or hub:OWNER/NAME after vitruvian models fetch.")
    return Path(name)
