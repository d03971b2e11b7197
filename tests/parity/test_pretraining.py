"""The model and the loss of `vitruvian pretrain` are the official ones: the verb's own builder, held to the golden values."""

from __future__ import annotations

import torch

from vitruvian.model.vit import Size
from vitruvian.pretrain.network import autoencoder_spec, new_model
from vitruvian.pretrain.reconstruct import unpatchify, with_own_statistics
from vitruvian.tasks.mae import Mae, normalise_patches
from vitruvian.weights.keymaps import from_official


def test_the_verbs_model_is_the_official_one(golden, parity):
    entry = golden("mae")
    official = parity.spec(entry.info, "mae", entry.info["head"]["patch_size"])
    arch = Size(official.dim, official.depth, official.heads_attn, official.mlp)
    options = official.heads[0].options
    spec = autoencoder_spec("ours", arch, official.size[0], options)
    for name in ("size", "heads", "patch", "padding", "class_token", "stem", "mean", "std"):
        assert getattr(spec, name) == getattr(official, name), name
    model, _ = new_model(spec, seed=0)
    for name in ("backbone.position", "decoder.position"):  # before anything is loaded
        parity.close(model.state_dict()[name], from_official(entry.under("sd."), "mae")[name], what=name)
    model.load_state_dict(from_official(entry.under("sd."), "mae"))
    output = model.eval()(entry["in.x"], entry["in.noise"])["mae"]
    parity.close(output["pred"], entry["out.pred"], what="prediction")
    (loss,) = Mae().loss(output, {}).values()
    parity.close(loss, entry["out.loss"], what="loss")


def test_reconstruction_is_the_inverse_of_the_official_target(golden, parity):
    entry = golden("mae")
    official = parity.spec(entry.info, "mae", entry.info["head"]["patch_size"])
    model, _ = new_model(official, seed=0)
    patches = model(entry["in.x"], entry["in.noise"])["mae"]["patches"]
    parity.close(with_own_statistics(normalise_patches(patches), patches), patches, what="mean and deviation put back")
    assert torch.equal(unpatchify(patches, official.grid), entry["in.x"])
