"""Ray Train: the same verbs on the workers of a Ray cluster, which is started, or one that runs already.

    pip install "ray[train]"
    python examples/cluster/ray_train.py --workers 16 --gpus 1 --cpus 12 -- finetune SOURCE... --recipe pose308 --out /shared
    python examples/cluster/ray_train.py --workers 2 -- finetune people --steps 4 --out run --device cpu --workers 0

OUT must be seen by all workers. After a failure Ray starts all workers again, and the run goes on from its last checkpoint;
with fewer nodes left, start it again with fewer --workers: a run may go on with another number of them.
"""

from __future__ import annotations

import argparse


def work(words: dict[str, list[str]]) -> None:
    """What every worker does: Ray has set its rank and joined the others."""
    from vitruvian.cli import main

    code = main(words["verb"])
    if code:
        raise RuntimeError(f"vitruvian ended with {code}: see the worker's log")


def launch(chosen: argparse.Namespace) -> None:
    """Ask Ray for the workers and wait for them."""
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    ray.init(address=chosen.address)
    each = {"CPU": chosen.cpus, **({"GPU": chosen.gpus} if chosen.gpus else {})}
    TorchTrainer(
        work,
        train_loop_config={"verb": chosen.verb},
        torch_config=TorchConfig(backend="nccl" if chosen.gpus else "gloo"),
        scaling_config=ScalingConfig(num_workers=chosen.workers, use_gpu=bool(chosen.gpus), resources_per_worker=each),
        run_config=RunConfig(failure_config=FailureConfig(max_failures=chosen.failures)),
    ).fit()


def words() -> argparse.Namespace:
    """Ours before the --, those of vitruvian after it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=2, help="processes that train, one a GPU")
    parser.add_argument("--gpus", type=int, default=0, help="of each worker: 1, or 0 to train on CPUs")
    parser.add_argument("--cpus", type=int, default=1, help="of each worker, the processes that read data among them")
    parser.add_argument("--address", default=None, help="of a running cluster, such as auto; one is started if left out")
    parser.add_argument("--failures", type=int, default=3, help="restarts after lost workers")
    parser.add_argument("verb", nargs="+", help="after --: a verb of vitruvian with its words")
    return parser.parse_args()


if __name__ == "__main__":
    launch(words())
