"""Models of transformers with random weights that compare with words, name classes or embed, in folders of the library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

WORDS = ("a", "photo", "of", "person", "painting", "cartoon", "place")
LABELS = {0: "normal", 1: "nsfw", 2: "Old"}
TOWER: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
EYE: dict[str, Any] = TOWER | {"image_size": 32, "patch_size": 16}
TONGUE: dict[str, Any] = TOWER | {"vocab_size": 16, "max_position_embeddings": 8}


def write_comparer(folder: Path, kind: str) -> Path:
    """`clip` or `siglip`."""
    import transformers as t

    torch.manual_seed(0)
    ends: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if kind == "clip":
        wide = {"projection_dim": 8}
        model = t.CLIPModel(t.CLIPConfig(text_config=TONGUE | ends | wide, vision_config=EYE | wide, projection_dim=8))
    else:
        model = t.SiglipModel(t.SiglipConfig(text_config=TONGUE | ends | {"projection_size": 16}, vision_config=EYE))
    for name, value in model.named_parameters():
        if value.dim() > 1:
            torch.nn.init.normal_(value, std=0.3)
        elif "logit_scale" in name:
            torch.nn.init.constant_(value, 1.0)
    model.save_pretrained(folder)
    t.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    known = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3} | {word: 4 + i for i, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )  # fmt: skip


def write_classifier(folder: Path, several: bool = False) -> Path:
    """Of LABELS."""
    import transformers as t

    torch.manual_seed(0)
    words = {"id2label": LABELS, "label2id": {label: i for i, label in LABELS.items()}}
    config = t.ViTConfig(**EYE, **words, problem_type="multi_label_classification" if several else None)
    t.ViTForImageClassification(config).save_pretrained(folder)
    t.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def write_segmenter(folder: Path) -> Path:
    """What is of no use as a scorer."""
    import transformers as t

    config = t.SegformerConfig(
        depths=[1], num_encoder_blocks=1, hidden_sizes=[8], sr_ratios=[1], num_attention_heads=[1], patch_sizes=[3],
        strides=[2], mlp_ratios=[1], decoder_hidden_size=8,
    )  # fmt: skip
    t.SegformerForSemanticSegmentation(config).save_pretrained(folder)
    t.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def write_embedder(folder: Path) -> Path:
    """DINOv2, which answers with vectors alone."""
    import transformers as t

    torch.manual_seed(0)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    t.Dinov2Model(t.Dinov2Config(**size, mlp_ratio=1)).save_pretrained(folder)
    t.ViTImageProcessorPil(size={"height": 28, "width": 28}).save_pretrained(folder)
    return folder


def write_masked(folder: Path) -> Path:
    """A masked autoencoder, whose encoder sees another part of the picture each time."""
    import transformers as t

    torch.manual_seed(0)
    t.ViTMAEModel(t.ViTMAEConfig(**EYE)).save_pretrained(folder)
    t.ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder
