from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vitruvian.device import Compute, choose_compute
from vitruvian.errors import UsageError
from vitruvian.model import build
from vitruvian.model.fast import FastDeconvHead
from vitruvian.predict.engine import check_engine, passes, prepare, views_at_once
from vitruvian.predict.pipeline import load
from vitruvian.types import HeadSpec, ModelSpec

from .conftest import SPEC

OFFICIAL = replace(SPEC.with_heads(HeadSpec("pose", (8, 8), (8,), 17, "coco17"), HeadSpec("depth", (8,), (8,), 1)), padding=2)


def test_official_heads_run_as_matrix_products_on_a_cpu_and_say_the_same() -> None:
    torch.manual_seed(0)
    model = build(OFFICIAL).eval()
    pixels = torch.randn(2, 3, 64, 48)
    with torch.inference_mode():
        before = model(pixels)
        fast = prepare(model, choose_compute("cpu", "fp32"))
        after = fast(pixels)
    assert all(isinstance(head, FastDeconvHead) for head in fast.heads.values())
    for task, output in before.items():
        torch.testing.assert_close(after[task], output, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("spec", [SPEC, OFFICIAL], ids=["shuffle", "official"])
@pytest.mark.parametrize(("dtype", "allowed"), [("fp32", 1e-4), ("bf16", 0.03)])
def test_openvino_says_the_same_for_any_number_of_views(spec: ModelSpec, dtype: str, allowed: float) -> None:
    pytest.importorskip("openvino", reason="the engine openvino needs the extra of this name")
    torch.manual_seed(0)
    model = build(spec).eval()
    views = [torch.randn(count, 3, *spec.size) for count in (1, 3, 2)]
    with torch.inference_mode():
        exact = [{name: output.clone() for name, output in model(pixels).items()} for pixels in views]
        fast = prepare(model, choose_compute("cpu", dtype), "openvino")
        for pixels, wanted in zip(views, exact, strict=True):
            said = fast(pixels.to(choose_compute("cpu", dtype).dtype))
            assert said.keys() == wanted.keys()
            for name, output in wanted.items():
                assert float((said[name] - output).norm() / output.norm()) < allowed
        first = next(iter(exact[0]))
        assert fast(views[0], [first]).keys() == {first}
    assert not list(model.parameters())


def test_openvino_is_never_replaced_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="the engine openvino needs the extra of this name")
    with pytest.raises(UsageError, match="runs on a CPU, not on cuda"):
        check_engine("openvino", Compute(torch.device("cuda"), torch.bfloat16))
    monkeypatch.setattr("vitruvian.predict.openvino.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r'Fix: pip install "vitruvian\[openvino\]"'):
        load(engine="openvino", device="cpu")


def test_bf16_is_in_the_weights() -> None:
    torch.manual_seed(0)
    model = build(SPEC).eval()
    pixels = torch.randn(1, 3, 64, 48)
    with torch.inference_mode():
        exact = {task: output.clone() for task, output in model(pixels).items()}
        rounded = prepare(model, choose_compute("cpu", "bf16"))(pixels.bfloat16())
    assert {value.dtype for value in model.state_dict().values()} == {torch.bfloat16}
    for task, output in exact.items():
        assert float((rounded[task].float() - output).norm() / output.norm()) < 0.03


def test_memory_is_bounded_by_tokens_not_by_people() -> None:
    cpu = choose_compute("cpu", "fp32")
    assert views_at_once(replace(SPEC, size=(1024, 768)), cpu) == 1
    assert views_at_once(replace(SPEC, size=(192, 144)), cpu) == 28


def test_an_unknown_engine_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match=r"unknown engine 'comple'\. Did you mean compile"):
        prepare(build(SPEC), choose_compute("cpu"), "comple")


@pytest.mark.parametrize(
    ("count", "most", "sizes"), [(0, 8, []), (1, 8, [1]), (7, 8, [4, 2, 1]), (20, 12, [8, 8, 4]), (3, 1, [1] * 3)]
)
def test_views_go_through_in_powers_of_two(count: int, most: int, sizes: list[int]) -> None:
    spans = list(passes(count, most))
    assert [span.stop - span.start for span in spans] == sizes
    assert [i for span in spans for i in range(count)[span]] == list(range(count))


FREED = """
import os, signal, sys, threading
import torch
from vitruvian.device import choose_compute
from vitruvian.model import build
from vitruvian.predict.engine import prepare
from tests.predict.conftest import SPEC
held = [prepare(build(SPEC).eval(), choose_compute("cpu", "fp32"), "openvino")]
held[0](torch.zeros(1, 3, *SPEC.size))
thread = threading.Thread(target=held.clear)
thread.start()
thread.join()
signal.signal(signal.SIGUSR1, lambda *_: sys.exit(7))
os.kill(os.getpid(), signal.SIGUSR1)
"""


def test_a_signal_after_a_model_was_freed_in_a_thread_is_handled() -> None:
    """OpenVINO's plugin, unloaded there, would leave the first thread with a freed stack for signals."""
    pytest.importorskip("openvino", reason="the engine openvino needs the extra of this name")
    ran = subprocess.run([sys.executable, "-c", FREED], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert ran.returncode == 7, ran.stderr
