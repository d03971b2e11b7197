"""A model asked by other programs: `serve`."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro

from vitruvian.cli.options import Device, Dtype, Pair, Whole


def serve(
    host: Annotated[str, tyro.conf.arg(metavar="ADDRESS")] = "127.0.0.1",
    port: Whole = 8000,
    model: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="MODEL")] = (),
    detector: Annotated[str, tyro.conf.arg(metavar="DETECTOR")] = "auto",
    device: Device = "auto",
    dtype: Dtype = "auto",
    flip_test: Pair = None,
    engine: Literal["eager", "compile", "openvino", "pruned"] = "eager",
    max_mb: float = 32.0,
) -> int:
    """Answer photos over HTTP, and show a page to try it, until Ctrl-C: GET /, GET /health, POST /predict.

    curl --data-binary @photo.jpg "http://127.0.0.1:8000/predict?tasks=pose,seg"

    Fields: tasks, boxes=x1,y1,x2,y2[,score];..., format=json|overlay|zip.

    Args:
        host: Address to listen on. The default can be reached from this machine only; 0.0.0.0 from any, without a password.
        port: Port to listen on; 0 takes a free one.
        model: Name (see `vitruvian models`) or path of weights; vitruvian-s if left out. Repeat the option for several models
            that answer different tasks.
        detector: Person detector, as in `vitruvian predict`.
        device: Where to run; auto takes the fastest available.
        dtype: Precision of matrix products; auto is bf16 where the hardware has it.
        flip_test: Average the answers for the photo and its mirror image: more accurate, but twice the time. If left out, the
            packaged model does it and others do not.
        engine: How to run the model, as in `vitruvian predict`.
        max_mb: Largest photo accepted, in megabytes.
    """
    from vitruvian.serve.command import serve as run

    return run(
        host,
        port,
        model=model,
        detector=detector,
        device=device,
        dtype=dtype,
        flip_test=flip_test,
        engine=engine,
        max_mb=max_mb,
    )
