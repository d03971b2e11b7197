"""Models built from specifications: shapes, memory formats, precisions, compilation, and what bad specifications get."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from vitruvian.errors import UsageError
from vitruvian.model import Model, build, mae_head, vit
from vitruvian.types import HeadSpec, ModelSpec

TASKS = {"pose": 17, "seg": 28, "depth": 1, "normal": 3}


@pytest.fixture(autouse=True)
def _seed():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def spec(kind="shuffle", stem="patch", **more):
    heads = tuple(HeadSpec(task, (16, 8), (8,), out, kind=kind) for task, out in TASKS.items())
    fields = {"padding": 0, **more}
    return ModelSpec("tiny", (64, 48), dim=32, depth=2, heads_attn=4, mlp=64, heads=heads, stem=stem, **fields)


def images(batch=2, size=(64, 48)):
    return torch.randn(batch, 3, *size)


@pytest.mark.parametrize("kind", ["deconv", "shuffle"])
@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_every_head_gets_its_map(kind, stem):
    out = build(spec(kind, stem)).eval()(images())
    assert {task: tuple(maps.shape) for task, maps in out.items()} == {task: (2, n, 16, 12) for task, n in TASKS.items()}
    assert all(torch.isfinite(maps).all() for maps in out.values())


def test_chosen_heads_give_the_same_values():
    model, image = build(spec()).eval(), images()
    every, some = model(image), model(image, tasks=("seg",))
    assert list(some) == ["seg"]
    torch.testing.assert_close(some["seg"], every["seg"])
    with pytest.raises(UsageError, match=r"unknown head of tiny 'matting'.*pose"):
        model(image, tasks=("matting",))


@pytest.mark.parametrize("kind", ["deconv", "shuffle"])
def test_a_batch_is_its_samples(kind):
    model, image = build(spec(kind)).eval(), images()
    alone = torch.cat([model(image[i : i + 1])["pose"] for i in range(2)])
    torch.testing.assert_close(model(image)["pose"], alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["deconv", "shuffle"])
@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_channels_last_and_bf16_agree(kind, stem):
    model, image = build(spec(kind, stem)).eval(), images()
    plain = model(image)["seg"]
    last = model.to(memory_format=torch.channels_last)(image.to(memory_format=torch.channels_last))["seg"]
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(image)["seg"]
    assert float((half.float() - plain).abs().max()) < 0.1 * float(plain.abs().max())


@pytest.mark.parametrize("kind", ["deconv", "shuffle"])
def test_compiles_without_a_graph_break(kind):
    model, image = build(spec(kind, "conv")).eval(), images()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    with torch.no_grad():
        torch.testing.assert_close(compiled(image)["depth"], model(image)["depth"])


def test_checkpointing_changes_no_gradient():
    model, image = build(spec(stem="conv")).train(), images()

    def gradients():
        model.zero_grad()
        sum(maps.square().mean() for maps in model(image).values()).backward()
        return [p.grad.clone() for p in model.parameters()]

    plain = gradients()
    model.backbone.checkpointing = True
    for a, b in zip(plain, gradients(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("padding", "grid"), [(0, (5, 4)), (2, (4, 3))])
def test_sizes_that_are_no_multiple_of_the_patch(padding, grid):
    vit = build(spec(padding=padding)).backbone.eval()
    image = images(1, (67, 50))
    assert tuple(vit(image).shape[-2:]) == grid
    if padding == 0:  # zeros at the right and the bottom
        whole = torch.nn.functional.pad(image, (0, 14, 0, 13))
        torch.testing.assert_close(vit(image), vit(whole))


def test_dropout_is_for_training_only():
    head = HeadSpec("seg", (16,), (8,), 28, options={"dropout": 0.5})
    model, image = build(spec().with_heads(head)), images()
    assert not torch.equal(model.train()(image)["seg"], model(image)["seg"])
    assert torch.equal(model.eval()(image)["seg"], model(image)["seg"])


@pytest.mark.parametrize("refine", ["none", "depthwise", "full"])
def test_refinements(refine):
    head = HeadSpec("seg", (16,), (), 28, kind="shuffle", options={"refine": refine})
    model = build(spec().with_heads(head))
    assert ("heads.seg.up.0.refine.weight" in model.state_dict()) == (refine != "none")
    assert model(images())["seg"].shape == (2, 28, 8, 6)


def test_initial_deviations_follow_the_options():
    model = build(spec("deconv").with_heads(HeadSpec("pose", (64, 64), (64,), 17, options={"std": 0.001})))
    weights = [p for n, p in model.heads.named_parameters() if n.endswith("weight")]
    assert all(0.0005 < float(w.detach().std()) < 0.002 for w in weights)
    assert all(not p.detach().any() for n, p in model.heads.named_parameters() if n.endswith("bias"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": (60, 48)}, "multiple of the patch"),
        ({"heads_attn": 5}, "attention heads"),
        ({"backbone": "vitt"}, "unknown backbone"),
        ({"stem": "conv", "dim": 36}, "conv stem"),
    ],
)
def test_impossible_specifications(change, words):
    with pytest.raises(UsageError, match=words):
        build(replace(spec(), **change))


def test_unknown_refinement_and_head_kind():
    with pytest.raises(UsageError, match="unknown refinement 'fulll'"):
        build(spec().with_heads(HeadSpec("seg", (16,), kind="shuffle", options={"refine": "fulll"})))
    with pytest.raises(UsageError, match="kind 'mae'"):
        Model(spec().with_heads(mae_head()))


def mae():
    options = {"dim": 16, "depth": 1, "heads": 2}
    return replace(spec(), class_token=True).with_heads(mae_head(**options))


def test_pretraining_masks_the_stated_share_and_repeats_with_its_noise():
    model = build(mae()).eval()
    image, noise = images(3), torch.rand(3, 12)
    out = model(image, noise)["mae"]
    assert out["pred"].shape == out["patches"].shape == (3, 12, 768)
    assert (out["mask"].sum(1) == 9).all()
    assert torch.equal((noise.argsort(1).argsort(1) >= 3).float(), out["mask"])
    torch.testing.assert_close(model(image, noise)["mae"]["pred"], out["pred"])


def test_hidden_patches_do_not_reach_the_encoder():
    model = build(mae()).eval()
    image, noise = images(1), torch.rand(1, 12)
    out = model(image, noise)["mae"]
    changed = image.clone()
    row, col = divmod(int(out["mask"][0].argmax()), 3)
    changed[..., 16 * row : 16 * row + 16, 16 * col : 16 * col + 16] = 9.0
    torch.testing.assert_close(model(changed, noise)["mae"]["pred"], out["pred"])


def test_pretrained_encoder_has_the_keys_of_a_task_model():
    pretrained, model = build(mae()), build(replace(spec(), class_token=True))
    missing = model.backbone.load_state_dict(pretrained.backbone.state_dict())
    assert not missing.missing_keys


def test_pretraining_refuses_what_it_cannot_do():
    with pytest.raises(UsageError, match="takes images of"):
        build(mae())(images(1, (64, 64)))
    with pytest.raises(UsageError, match="unknown MAE option depht"):
        mae_head(depht=3)
    with pytest.raises(UsageError, match="hidden pixels"):
        build(replace(mae(), stem="conv"))
    with pytest.raises(UsageError, match="exactly one head"):
        build(spec().with_heads(mae_head(), HeadSpec("seg", (16,))))


@pytest.mark.parametrize("tokens", [12, vit.PLAIN_TOKENS + 1])
def test_attention_trains_alike_by_either_path(tokens):
    ours, fused = (torch.randn(3, 1, 2, tokens, 16, generator=torch.manual_seed(1)).bfloat16().requires_grad_() for _ in "ab")
    upstream = torch.randn(1, 2, tokens, 16).bfloat16()
    vit.attend(*ours.unbind(0)).backward(upstream)
    F.scaled_dot_product_attention(*fused.unbind(0)).backward(upstream)
    torch.testing.assert_close(ours.grad, fused.grad, atol=0.03, rtol=0.03)


def is_xavier(weight):
    """Uniform within sqrt(6 / (inputs + outputs)), of a matrix."""
    limit = (6 / sum(weight.shape)) ** 0.5
    return float(weight.abs().max()) <= limit and 0.9 < float(weight.std()) / (limit / 3**0.5) < 1.1


@torch.no_grad()
def test_a_backbone_starts_as_in_the_specification():
    backbone = build(replace(spec(), dim=64, mlp=256)).backbone
    for block in backbone.blocks:
        for layer in (block.mlp.fc1, block.mlp.fc2):
            assert is_xavier(layer.weight) and 0.7e-6 < float(layer.bias.std()) < 1.4e-6
    assert 0.019 < float(backbone.position.std()) < 0.021 and abs(float(backbone.position.mean())) < 0.002


@torch.no_grad()
def test_a_masked_autoencoder_starts_as_in_the_specification():
    model = build(replace(spec(), dim=64, mlp=256, class_token=True).with_heads(mae_head(dim=256, depth=1, heads=2)))
    assert is_xavier(model.backbone.patch.weight.view(64, -1))
    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    assert len(linear) == 4 * 2 + 4 + 2 and all(is_xavier(module.weight) for module in linear)
    for token in (model.decoder.mask_token, model.backbone.class_token):
        assert 0.012 < float(token.std()) < 0.028
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            assert (module.weight == 1).all() and not module.bias.any()


@torch.no_grad()
def test_the_official_head_drops_whole_channels():
    head = build(spec().with_heads(HeadSpec("seg", (16,), (64,), 28, options={"dropout": 0.5}))).heads["seg"].train()
    head.final = torch.nn.Identity()
    dropped = (head(torch.randn(2, 32, 4, 3)) == 0).float().mean((2, 3))
    assert set(dropped.unique().tolist()) == {0.0, 1.0} and 0.3 < float(dropped.mean()) < 0.7


@torch.no_grad()
def test_the_last_layer_starts_as_told():
    head = build(spec().with_heads(HeadSpec("seg", (64,), (64,), 28, options={"final_std": 0.01}))).heads["seg"]
    assert 0.009 < float(head.final.weight.std()) < 0.011 and not head.final.bias.any()
    assert float(head.up[0].weight.std()) > 0.015, "the others are PyTorch's own"
