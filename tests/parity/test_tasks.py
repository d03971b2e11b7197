"""Heads, targets, losses and their gradients against the official ones, through whole small models."""

from __future__ import annotations

import numpy as np
import torch

from vitruvian.predict.network import outputs_of
from vitruvian.tasks.dense import resize_map
from vitruvian.tasks.depth import Depth, relative_depth, silog
from vitruvian.tasks.mae import masked_mse, normalise_patches
from vitruvian.tasks.normal import Normal, cosine_loss, l1_loss, normal_target
from vitruvian.tasks.pose import Pose
from vitruvian.tasks.pose.loss import keypoint_mse, keypoint_ohkm
from vitruvian.tasks.seg import Seg, pixel_cross_entropy
from vitruvian.types import IGNORE
from vitruvian.vocab import class_set, skeleton


def test_pose17(golden, parity):
    entry = golden("pose17")
    model = parity.model(entry, "pose")
    pose = Pose("coco17")
    assert list(skeleton("coco17").flip) == entry.info["flip_indices"]
    heatmaps = model(entry["in.x"])["pose"]
    parity.close(heatmaps, entry["out.heatmaps"], what="heatmaps")
    mirrored = pose.flip(model(entry["in.x"].flip(-1))["pose"])
    parity.close(mirrored, entry["out.heatmaps_flip_aligned"], what="flip")
    tested = outputs_of(model, entry["in.x"], [pose], flip_test=True)["pose"]
    parity.close(tested, entry["out.heatmaps_tta"], what="flip test")
    (loss,) = pose.loss(heatmaps, {"heatmap": entry["in.target"], "weight": entry["in.weights"]}).values()
    parity.close(loss, entry["out.loss"], what="loss")
    loss.backward()
    parity.gradients(model, entry, "pose")


def test_seg28(golden, parity):
    entry = golden("seg28")
    model, label = parity.model(entry, "seg"), entry["in.gt"][:, 0]
    weights = class_set("body28").loss_weights
    assert list(weights) == entry.info["head"]["loss_decode"]["class_weight"]
    logits = model(entry["in.x"])["seg"]
    parity.close(logits, entry["out.logits"], what="logits")
    resized = resize_map(logits, label.shape[-2:])
    kept = entry["out.logits_up"].shape
    parity.close(resized[: kept[0], : kept[1]], entry["out.logits_up"], what="resized logits")
    parity.close(pixel_cross_entropy(logits, label, torch.tensor(weights)), entry["out.loss_ce"], what="loss per pixel")
    counted = label != IGNORE
    accuracy = 100 * (resized.argmax(1) == label)[counted].double().mean()
    parity.close(accuracy[None], entry["out.acc_seg"], what="accuracy")
    loss = sum(Seg().loss(logits, {"label": label}).values())
    parity.close(loss, entry["out.total"], what="loss")
    loss.backward()
    parity.gradients(model, entry, "seg")


def test_depth(golden, parity):
    entry = golden("depth")
    model = parity.model(entry, "depth")
    logits = model(entry["in.x"])["depth"]
    parity.close(logits, entry["out.logits"], what="logits")
    kept = entry["out.logits_up"].shape
    parity.close(resize_map(logits, entry["in.gt"].shape[-2:])[: kept[0], : kept[1]], entry["out.logits_up"])
    parts = Depth().loss(logits, {"depth": entry["in.gt"]})
    parity.close(parts["silog"], entry["out.loss_silog"], what="SiLog")
    parity.close(sum(parts.values()), entry["out.total"], what="loss")
    # Where p is close to 1e-6, 1/p turns the last digit of a logit, which differs from processor to processor, into 1e-3 of a
    # gradient: so gradients are compared at the official logits themselves.
    at_official = logits + (entry["out.logits"] - logits).detach()
    sum(Depth().loss(at_official, {"depth": entry["in.gt"]}).values()).backward()
    parity.gradients(model, entry, "depth")


def test_normal(golden, parity):
    entry = golden("normal")
    model = parity.model(entry, "normal")
    logits = model(entry["in.x"])["normal"]
    parity.close(logits, entry["out.logits"], what="logits")
    kept = entry["out.logits_up"].shape
    parity.close(resize_map(logits, entry["in.gt"].shape[-2:])[: kept[0], : kept[1]], entry["out.logits_up"])
    parts = Normal().loss(logits, {"normal": entry["in.gt"]})
    parity.close(parts["cosine"], entry["out.loss_cosine_sim"], what="cosine")
    parity.close(parts["l1"], entry["out.loss_l1"], what="L1")
    total = sum(parts.values())
    parity.close(total, entry["out.total"], what="loss")
    total.backward()
    parity.gradients(model, entry, "normal")


def test_losses_and_their_gradients(golden, parity):
    entry = golden("losses")
    weights = torch.tensor(entry.info["seg_class_weight"], dtype=torch.float32)
    pose = entry["in.pose.target"], entry["in.pose.weights"]
    topk = next(int(name.split("topk")[1].split(".")[0]) for name in entry.tensors if "topk" in name)
    losses = {
        "pose_mse": lambda p: keypoint_mse(p, *pose),
        f"pose_ohkm_topk{topk}": lambda p: keypoint_ohkm(p, *pose, topk),
        "seg_ce_weighted": lambda p: pixel_cross_entropy(p, entry["in.seg.target"], weights),
        "seg_ce_plain_mean": lambda p: pixel_cross_entropy(p, entry["in.seg.target"]).mean(),
        "depth_silog": lambda p: silog(p, entry["in.depth.target"]),
        "normal_cosine": lambda p: cosine_loss(p, entry["in.normal.target"]),
        "normal_l1": lambda p: l1_loss(p, entry["in.normal.target"]),
    }
    assert {f"grad.{name}.pred" for name in losses} == {name for name in entry.tensors if name.startswith("grad.")}
    for name, function in losses.items():
        pred = entry[f"in.{name}.pred"].requires_grad_()
        loss = function(pred)
        parity.close(loss, entry[f"out.{name}.loss"], what=name)
        loss.mean().backward()
        parity.close(pred.grad, entry[f"grad.{name}.pred"], what=f"gradient of {name}")
    empty = silog(entry["in.depth_silog.pred"].detach(), entry["in.depth.target_empty"])
    parity.close(empty, entry["out.depth_silog_empty.loss"], what="no labelled pixel")


def test_targets(golden, parity):
    entry = golden("targets")
    mask = entry["in.mask"].numpy() > 0
    parity.close(relative_depth(entry["in.depth"].numpy(), mask), entry["out.depth_target"], what="depth")
    vectors = np.where(mask[..., None], entry["in.normal"].numpy(), np.nan)
    parity.close(normal_target(vectors), entry["out.normal_target"], what="normal")
    mirrored = vectors[:, ::-1] * np.array([-1, 1, 1], np.float32)
    official = np.where(entry["out.mask_flipped"].numpy()[..., None] > 0, entry["out.normal_flipped"].numpy(), np.nan)
    parity.close(np.nan_to_num(mirrored), torch.from_numpy(np.nan_to_num(official)), what="mirrored normal")


def test_mae(golden, parity):
    from vitruvian.model import build
    from vitruvian.model.mae import patchify
    from vitruvian.weights.keymaps import from_official

    entry = golden("mae")
    model = build(parity.spec(entry.info, "mae", entry.info["head"]["patch_size"])).eval()
    ours = from_official(entry.under("sd."), "mae")
    fixed = model.state_dict()
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == {"backbone.position", "decoder.position"}
    for name in ("backbone.position", "decoder.position"):
        parity.close(fixed[name], ours[name], what=name)
    model.load_state_dict(ours)

    latent, restore, mask = model.encode(entry["in.x"], entry["in.noise"])
    parity.close(latent, entry["out.latent"], what="latent")
    assert torch.equal(restore, entry["out.ids_restore"])
    assert torch.equal(mask, entry["out.mask"])
    output = model(entry["in.x"], entry["in.noise"])["mae"]
    parity.close(output["pred"], entry["out.pred"], what="prediction")
    target = normalise_patches(patchify(entry["in.x"], 16))
    parity.close(target[: len(entry["out.target"])], entry["out.target"], what="target")
    plain = masked_mse(output["pred"], output["patches"], output["mask"])
    parity.close(plain, entry["out.loss_norm_pix_false"], what="loss without norm_pix")
    from vitruvian.tasks.mae import Mae

    (loss,) = Mae(norm_pix=entry.info["head"]["norm_pix"]).loss(output, {}).values()
    parity.close(loss, entry["out.loss"], what="loss")
    loss.backward()
    parity.gradients(model, entry, "mae")
    with torch.no_grad():
        tokens, _ = model.backbone.embed(entry["in.x"])
        parity.close(model.backbone.encode(tokens), entry["out.unmasked_raw"], what="all tokens")
