"""The folder of a run: what lies where, whose it is, and that one run alone works in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vitruvian.curate.record import unwritable
from vitruvian.errors import InputError, UsageError, VitruvianError


@dataclass(frozen=True)
class Place:
    """OUT: run.json, ledger/*.parquet, shards/*.tar; work/ is what an unfinished run has measured so far."""

    out: Path

    @property
    def settings(self) -> Path:
        """What the run is told to do, and when it is finished."""
        return self.out / "run.json"

    @property
    def ledger(self) -> Path:
        """Folder of the ledger; it is there when all is done."""
        return self.out / "ledger"

    @property
    def shards(self) -> Path:
        """Folder of what is kept."""
        return self.out / "shards"

    @property
    def work(self) -> Path:
        """Folder of what is measured."""
        return self.out / "work"

    @property
    def inputs(self) -> Path:
        """The listing, as it was when the run began."""
        return self.work / "inputs.parquet"

    def part(self, kind: str, number: int) -> Path:
        """Rows of one task."""
        return self.work / kind / f"{number:06d}.parquet"

    def shard(self, number: int) -> Path:
        """One shard of kept images."""
        return self.shards / f"{number:06d}.tar"

    def store(self, number: int) -> Path:
        """What was fetched, one image after the other; the ledger tells the places."""
        return self.out / "fetched" / f"{number:06d}.bin"

    @property
    def finished(self) -> bool:
        """Whether the ledger is complete."""
        return self.ledger.is_dir()

    def told(self) -> dict[str, Any] | None:
        """What run.json says; None where there is none. InputError if it is damaged."""
        try:
            found = json.loads(self.settings.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{self.settings}: damaged ({error}). Fix: another --out, or delete the folder.") from error
        return dict(found)

    def tell(self, told: dict[str, Any]) -> None:
        """Write run.json, whole or not at all."""
        temporary = self.settings.with_name(".run.json.tmp")
        try:
            temporary.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
            temporary.replace(self.settings)
        except OSError as error:
            raise unwritable(self.settings, error) from error

    def begin(self, told: dict[str, Any], usual: dict[str, Any]) -> None:
        """Make the folder this run's. usual: what a run that began before some option was there is taken to have said of it.
        UsageError where the folder is another's."""
        before = self.told()
        if before is not None:
            before = usual | before | {"limits": usual["limits"] | before.get("limits", {})}
        if before is None:
            foreign = [one.name for one in self.out.iterdir() if not one.name.startswith(".")] if self.out.is_dir() else []
            if foreign:
                raise UsageError(f"{self.out}: not empty ({foreign[0]}), and no run of curate. Fix: another --out.")
            self.tell(told)
        elif differing := [name for name, value in told.items() if before.get(name) != value]:
            name = differing[0]
            raise UsageError(
                f"{self.out}: begun with {name} {_short(before.get(name))}, now {_short(told[name])}. Fix: the same command,"
                " another --out, or `vitruvian curate tune` to decide again with other thresholds."
            )

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs out; the lock goes with the process, however that ends."""
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            file = (self.out / ".lock").open("w")
        except OSError as error:
            raise unwritable(self.out, error) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(f"{self.out}: another run is at work there. Fix: wait for it, or another --out.") from None
            except OSError as error:
                raise VitruvianError(
                    f"{self.out}: cannot be locked ({error.strerror or error}). Fix: an --out on a disk that has locks."
                ) from error
            yield

    def clear(self) -> None:
        """Forget what the ledger has taken up."""
        shutil.rmtree(self.work, ignore_errors=True)
        for left in self.shards.glob(".*.tmp"):  # of workers that were killed
            left.unlink(missing_ok=True)


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 300 else text[:300] + "..."
