"""Detectors of transformers with random weights, a few thousand of them, in folders as the library writes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

KINDS = ("rt_detr_v2", "detr", "conditional_detr", "yolos")
LABELS = {0: "cat", 1: "person", 2: "bus"}
SHORT = {"shortest_edge": 64, "longest_edge": 96}
STAGES: dict[str, Any] = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1, 1, 1, 1], "layer_type": "basic"}


def write_detector(folder: Path, kind: str, labels: Mapping[int, str] = LABELS, seed: int = 0) -> Path:
    """A detector of a kind in a new folder."""
    import transformers

    quiet = transformers.utils.logging
    level = quiet.get_verbosity()
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    try:
        torch.manual_seed(seed)
        words = {"id2label": dict(labels), "label2id": {label: i for i, label in labels.items()}}
        model, processor = {"rt_detr_v2": _rt_detr, "detr": _detr, "conditional_detr": _conditional, "yolos": _yolos}[kind](
            words
        )
        with torch.no_grad():  # as it begins, every box is in the middle and every class as likely
            for name, value in model.named_parameters():
                if value.dim() > 1 and "backbone" not in name and "conv" not in name:
                    value.normal_(0, 0.12)
                elif name.endswith("bias") and ("class" in name or "score" in name):
                    value.copy_(torch.eye(len(value))[1])  # class 1 is a little more likely than others
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    finally:
        quiet.set_verbosity(level)
        quiet.enable_progress_bar()
    return folder


def _rt_detr(words: Mapping[str, Any]) -> tuple[Any, Any]:
    from transformers import RTDetrImageProcessorPil, RTDetrResNetConfig, RTDetrV2Config, RTDetrV2ForObjectDetection

    config = RTDetrV2Config(
        backbone_config=RTDetrResNetConfig(**STAGES, out_features=["stage2", "stage3", "stage4"]),
        encoder_hidden_dim=32, encoder_in_channels=[8, 16, 16], encoder_ffn_dim=32, encoder_attention_heads=2, d_model=32,
        num_queries=20, decoder_in_channels=[32, 32, 32], decoder_ffn_dim=32, decoder_layers=2, decoder_attention_heads=2,
        decoder_n_points=2, num_denoising=0, **words,
    )  # fmt: skip
    return RTDetrV2ForObjectDetection(config), RTDetrImageProcessorPil(size={"height": 64, "width": 64})


def _detr_config(words: Mapping[str, Any]) -> dict[str, Any]:
    from transformers import ResNetConfig

    layers = {f"{side}_{what}": n for side in ("encoder", "decoder") for what, n in (("layers", 1), ("ffn_dim", 32))}
    backbone = {"use_timm_backbone": False, "use_pretrained_backbone": False, "backbone": None}
    stages = ResNetConfig(**STAGES, out_features=["stage4"])
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    return {**backbone, "backbone_config": stages, "d_model": 32, "num_queries": 20, **layers, **heads, **words}


def _detr(words: Mapping[str, Any]) -> tuple[Any, Any]:
    from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessorPil

    return DetrForObjectDetection(DetrConfig(**_detr_config(words))), DetrImageProcessorPil(size=SHORT)


def _conditional(words: Mapping[str, Any]) -> tuple[Any, Any]:
    from transformers import ConditionalDetrConfig, ConditionalDetrForObjectDetection, ConditionalDetrImageProcessorPil

    config = ConditionalDetrConfig(**_detr_config(words))
    return ConditionalDetrForObjectDetection(config), ConditionalDetrImageProcessorPil(size=SHORT)


def _yolos(words: Mapping[str, Any]) -> tuple[Any, Any]:
    from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessorPil

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = YolosConfig(**sizes, image_size=[64, 96], num_detection_tokens=20, **words)
    return YolosForObjectDetection(config), YolosImageProcessorPil(size=SHORT)
