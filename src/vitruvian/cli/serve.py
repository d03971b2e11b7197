"""A model asked by other programs: `serve`."""

from __future__ import annotations

from typing import Literal

import tyro

from vitruvian.cli.options import Device, Dtype, Pair


def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    model: tyro.conf.UseAppendAction[tuple[str, ...]] = (),
    detector: str = "auto",
    device: Device = "auto",
    dtype: Dtype = "auto",
    flip_test: Pair = None,
    engine: Literal["eager", "compile", "openvino", "pruned"] = "eager",
    max_mb: float = 32.0,
) -> int:
    """Answer photos over HTTP, and show a page to try it, until Ctrl-C: GET /, GET /health, POST /predict.

    For example: curl --data-binary @photo.jpg "http://127.0.0.1:8000/predict?tasks=pose,seg&format=zip"

    Args:
        host: Address to listen on. The default is reached from this machine only; 0.0.0.0 from any, without a password.
        port: Port to listen on; 0 takes a free one.
        model: As of `vitruvian predict`; repeat it for several models that answer different tasks.
        detector: As of `vitruvian predict`.
        device: Where to run; auto takes the fastest there is.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        flip_test: Average the answers for the photo and its mirror image; as the model's card says if left out.
        engine: As of `vitruvian predict`.
        max_mb: Largest photo accepted, in megabytes.
    """
    from vitruvian.serve.command import serve as run

    return run(host, port, model=model, detector=detector, device=device, dtype=dtype, flip_test=flip_test, engine=engine,
               max_mb=max_mb)  # fmt: skip
