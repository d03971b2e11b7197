"""The official Sapiens v1 key names, and nothing else knows them.

Task files hold `backbone.*` and `head.*` (pose) or `decode_head.*` (the dense tasks); pretraining files `backbone.*` and
`neck.*`; the distributed pretrained encoders are flat: backbone keys without prefix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from vitruvian.errors import WeightsError

# (official, ours), tried in order; {i} is a number that both sides share, {s} one that counts by threes officially
_BLOCK = (
    ("ln1", "norm1"),
    ("attn.qkv", "attn.qkv"),
    ("attn.proj", "attn.proj"),
    ("ln2", "norm2"),
    ("ffn.layers.0.0", "mlp.fc1"),
    ("ffn.layers.1", "mlp.fc2"),
)
_BACKBONE = (
    ("pos_embed", "position"),
    ("cls_token", "class_token"),
    ("patch_embed.projection", "patch"),
    ("ln1", "norm"),
    *((f"layers.{{i}}.{a}", f"blocks.{{i}}.{b}") for a, b in _BLOCK),
)
_DECODER = (
    ("mask_token", "mask_token"),
    ("decoder_pos_embed", "position"),
    ("decoder_embed", "embed"),
    ("ln1", "norm"),
    ("decoder_pred", "pred"),
    *((f"decoder_blocks.{{i}}.{a}", f"blocks.{{i}}.{b}") for a, b in _BLOCK),
)
_HEAD = (("deconv_layers.{s}", "up.{s}"), ("conv_layers.{s}", "conv.{s}"))


def _rules(task: str | None) -> tuple[tuple[str, str], ...]:
    rules = tuple((f"backbone.{a}", f"backbone.{b}") for a, b in _BACKBONE)
    if task == "mae":
        return rules + tuple((f"neck.{a}", f"decoder.{b}") for a, b in _DECODER)
    if task is None:
        return rules
    prefix, final = ("head", "final_layer") if task == "pose" else ("decode_head", "conv_seg")
    return rules + tuple((f"{prefix}.{a}", f"heads.{task}.{b}") for a, b in (*_HEAD, (final, "final")))


def _rename(key: str, rules: tuple[tuple[str, str], ...], to_ours: bool) -> str | None:
    for rule in rules:
        pattern, result = rule if to_ours else rule[::-1]
        expression = re.escape(pattern).replace(r"\{i\}", r"(\d+)").replace(r"\{s\}", r"(\d+)")
        match = re.fullmatch(expression + r"(|\.weight|\.bias)", key)
        if match is None:
            continue
        if "{s}" in pattern:
            number = int(match[1])
            if to_ours and number % 3:
                return None
            return result.replace("{s}", str(number // 3 if to_ours else number * 3)) + match[match.lastindex or 0]
        if "{i}" in pattern:
            result = result.replace("{i}", match[1])
        return result + match[match.lastindex or 0]
    return None


def from_official(state: Mapping[str, Tensor], task: str | None) -> dict[str, Tensor]:
    """Official names -> ours, for one head of `task` (pose, seg, depth, normal, mae; None: the encoder alone).

    A flat encoder (no `backbone.` prefix) is accepted, as are the preprocessor's statistics, which are left out.
    An unknown key is an error that names it: nothing is dropped in silence.
    """
    rules = _rules(task)
    flat = not any(key.startswith("backbone.") for key in state)
    out, unknown = {}, []
    for key, value in state.items():
        if key.startswith("data_preprocessor."):
            continue
        name = _rename(f"backbone.{key}" if flat else key, rules, True)
        if name is None:
            unknown.append(key)
        else:
            out[name] = value
    if unknown:
        raise WeightsError(f"not a Sapiens v1 {task or 'encoder'} file: {len(unknown)} unknown keys, such as {unknown[0]!r}")
    return out


def to_official(state: Mapping[str, Tensor], task: str | None) -> dict[str, Tensor]:
    """Our names -> the official ones; the inverse of `from_official`."""
    rules, out = _rules(task), {}
    for key, value in state.items():
        name = _rename(key, rules, False)
        if name is None:
            raise WeightsError(f"{key!r} has no official Sapiens v1 name for task {task or 'encoder'}")
        out[name] = value
    return out
