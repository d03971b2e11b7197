"""The words of the command, and the order of the work."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitruvian.errors import VitruvianError
from vitruvian.recipes import claims
from vitruvian.recipes.claims.held_out import HeldOut
from vitruvian.recipes.claims.plan import GEOMETRY_SEED, HELD_OUT_SEED, PRETRAINED, Budget, Run, all_runs, model_spec
from vitruvian.recipes.claims.queue import RENDERED, Machine, begin, finish, judge_blind, read_result, ready, taken
from vitruvian.recipes.claims.report import write_report
from vitruvian.recipes.claims.views import Pool, draw_pool, is_drawn
from vitruvian.recipes.embedded import GEOMETRY
from vitruvian.synth.dataset.generate import generate

WAIT = 20.0  # seconds between two looks at what other processes have done


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all runs are finished, 1 when it was told to stop or something is wrong."""
    chosen = _words().parse_args(arguments)
    budget = Budget() if chosen.share == 1 else Budget().shortened(chosen.share)
    try:
        if chosen.report:
            print(write_report(chosen.work, chosen.report, chosen.commit, chosen.note))
            return 0
        begin(chosen.work, budget, str(chosen.geometry or RENDERED))
        machine = Machine(chosen.threads, chosen.workers)
        held_out = chosen.held_out or _rendered(chosen.work, "held-out", budget.held_out, HELD_OUT_SEED, machine)
        geometry = chosen.geometry or _rendered(chosen.work, "geometry", budget.frames, GEOMETRY_SEED, machine)
        judge = HeldOut(held_out, model_spec(PRETRAINED), budget.held_out)
        return 0 if Queue(chosen.work, budget, geometry, judge, machine).work_off() else 1
    except VitruvianError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


@dataclass(frozen=True)
class Queue:
    """All runs of the plan in one folder."""

    work: Path
    budget: Budget
    geometry: Path
    held_out: HeldOut
    machine: Machine

    def work_off(self) -> bool:
        """Do what is there to do until all is done, by this process or by others, which may die; False if told to stop."""
        while missing := [run for run in all_runs() if read_result(self.work, run) is None]:
            ends = (end for run in missing if (end := self._attempt(run)) is not None)
            ended = next(ends, None)  # then look anew: its result may be what an earlier run waited for
            if ended is False:
                return False
            if ended is None:
                time.sleep(WAIT)
        judge_blind(self.work, next(all_runs()), self.held_out)
        return True

    def _attempt(self, run: Run) -> bool | None:
        """Whether the run was finished or told to stop; None where it is not for this process, or not yet."""
        with taken(self.work, run.name) as mine:
            if not (mine and ready(self.work, run)):
                return None
            pool = self._pool(run.seed)
            if pool is None:
                return None
            number = list(all_runs()).index(run) + 1
            print(f"run {number}: {run.name}, {run.steps(self.budget) * run.batch} views", flush=True)
            return finish(self.work, run, self.budget, pool, self.held_out, self.machine)

    def _pool(self, seed: int) -> Pool | None:
        """The views of a seed, drawn if need be; None while another process draws them."""
        pool = Pool(self.work / f"views-{seed}", model_spec(PRETRAINED), self.budget.views)
        if is_drawn(pool):
            return pool
        with taken(self.work, pool.folder.name) as mine:
            if not mine:
                return None
            draw_pool(pool, self.geometry, seed, self.machine.workers + 1)
        return pool


def _rendered(work: Path, name: str, count: int, seed: int, machine: Machine) -> Path:
    """A folder of frames, rendered as far as they are not there."""
    while True:
        with taken(work, name) as mine:
            if mine:
                return generate(work / name, count, GEOMETRY, seed=seed, workers=machine.workers + 1, images=False).folder
        time.sleep(WAIT)


def _words() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vitruvian.recipes.claims", description=claims.__doc__)
    parser.add_argument("--work", type=Path, required=True, help="folder of views, checkpoints, logs and results")
    parser.add_argument("--geometry", type=Path, help="frames of `vitruvian synth` to train on; default: rendered")
    parser.add_argument("--held-out", type=Path, help="frames of another seed to judge by; default: rendered")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--workers", type=int, default=1, help="processes that read; one more of them draw views")
    parser.add_argument("--share", type=float, default=1.0, help="of all views and frames; 0.01 tries the queue in minutes")
    parser.add_argument("--report", type=Path, metavar="DIR", help="train nothing; write claims.md, .json, .png there")
    parser.add_argument("--commit", default="", help="of the sources that the runs were made with, for the report")
    parser.add_argument("--note", default="", help="a line about how the runs were made, for the report")
    return parser
