"""IF-GAN's departures from the text, each by its argument."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ferdis.preprocess.augment import centre_crop, take_views
from ferdis.systems.ifgan import Generator, draw_views, fitted_and_heads, generate, joint_terms
from ferdis.systems.person_probe import PersonProbe
from ferdis.training.phases import Modules
from tests.systems.test_ifgan import faces, tiny


def prepared(**changes):
    """Modules of an untrained system and one prepared batch of its first epoch."""
    system = tiny(**changes)
    system.notes_ = []
    training = system._training_set(faces(24), None)
    torch.manual_seed(0)
    system.modules_ = system._build()
    stage = system._stages(training)[0]
    modules = Modules(**stage.modules)
    batch = next(iter(stage.batches(0)))
    return stage, modules, stage.prepare(modules, batch, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("trains", [True, False])
def test_whether_the_classifier_trains_the_generator(trains: bool) -> None:
    stage, modules, batch = prepared(classifier_trains_generator=trains)
    terms = stage.phases[1].terms(modules, batch)
    (of_classifier,) = torch.autograd.grad(
        terms["softmax"] + terms["island"], batch["generated"], retain_graph=True, allow_unused=True
    )
    assert (of_classifier is not None and of_classifier.abs().sum() > 0) == trains
    for term in ("l1", "cgan"):
        (gradient,) = torch.autograd.grad(terms[term], batch["generated"], retain_graph=True)
        assert gradient.abs().sum() > 0


def test_a_centred_average_is_the_same_for_every_view() -> None:
    _, modules, batch = prepared(average_view="centre")
    expected = centre_crop(modules.averages.pictures, batch["face"].shape[-1])[batch["label"]]
    torch.testing.assert_close(batch["average"], expected)
    _, modules, batch = prepared(average_view="input")
    assert not torch.equal(batch["average"], centre_crop(modules.averages.pictures, 32)[batch["label"]])


def test_without_skips_all_passes_through_the_smallest_maps() -> None:
    torch.manual_seed(0)
    generator = Generator((8, 8, 8, 8), attention=False, skips=False).eval()
    image = torch.rand(2, 3, 32, 32, requires_grad=True)
    smallest = []
    generator.encoder[-1].register_forward_hook(
        lambda _, __, output: smallest.append(output) or torch.zeros_like(output)
    )
    (gradient,) = torch.autograd.grad(generator(image).sum(), image, allow_unused=True)
    assert smallest and gradient is None
    with_skips = Generator((8, 8, 8, 8), attention=False).eval()
    with_skips.encoder[-1].register_forward_hook(lambda _, __, output: torch.zeros_like(output))
    assert torch.autograd.grad(with_skips(image).sum(), image)[0].abs().sum() > 0


@pytest.mark.parametrize(("norm", "kind"), [("instance", nn.InstanceNorm2d), ("batch", nn.BatchNorm2d)])
@pytest.mark.parametrize("encoder", ["strided", "pooled"])
def test_norm_and_encoder_are_the_ones_asked_for(norm: str, kind: type, encoder: str) -> None:
    generator = Generator((8, 8, 8, 8), norm=norm, encoder=encoder)
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.InstanceNorm2d | nn.BatchNorm2d)]
    assert norms and all(type(layer) is kind for layer in norms)
    kernels = {layer.kernel_size for layer in generator.encoder.modules() if isinstance(layer, nn.Conv2d)}
    assert kernels == ({(4, 4)} if encoder == "strided" else {(3, 3)})
    assert generator(torch.zeros(2, 3, 32, 32)).shape == (2, 3, 32, 32)


def test_the_encoder_names_the_class_of_its_own_face() -> None:
    stage, modules, batch = prepared(names_weight=2.0)
    terms = stage.phases[1].terms(modules, batch)
    torch.testing.assert_close(terms["names"], F.cross_entropy(batch["names"].float(), batch["label"]))
    assert stage.phases[1].weights["names"] == 2.0
    generator = modules.generator
    first, last = generator.encoder[0][0].weight, generator.head[2].weight
    gradients = torch.autograd.grad(terms["names"], [first, last, generator.names.weight], allow_unused=True)
    assert gradients[0].abs().sum() > 0 and gradients[1] is None and gradients[2].abs().sum() > 0
    assert "names" not in prepared()[2] and prepared()[1].generator.names is None


def test_views_of_face_and_average_are_one(monkeypatch) -> None:
    """Where the average takes its input's view, it is that very view."""
    seen = []
    for module in ("ferdis.systems.ifgan", "ferdis.preprocess.augment"):
        monkeypatch.setattr(
            f"{module}.take_views",
            lambda images, views, size: seen.append(views) or take_views(images, views, size),
        )
    prepared(augmentation="strong")
    assert len(seen) == 2 and torch.equal(seen[0], seen[1])


def test_departures_are_off_in_the_paper_size_system() -> None:
    terms_defaults = joint_terms.__kwdefaults__
    assert draw_views.__kwdefaults__ == {"augmentation": "paper", "average_view": "input"}
    assert generate.__kwdefaults__ == {"named": False}
    assert terms_defaults == {"trains_generator": True}


def test_the_person_is_named_by_the_probe_and_unlearned_by_the_generator() -> None:
    stage, modules, batch = prepared(identity_reversal=3.0)
    phase = stage.phases[1]
    assert phase.updates == ("generator", "classifier", "person_probe") and phase.weights["person"] == 1.0
    probe = modules.person_probe
    raw, pixels = next(iter(stage.batches(0))), faces(24).pixels()
    rows = [int((pixels == image.numpy()).all((1, 2, 3)).argmax()) for image in raw["image"]]
    assert batch["person"].tolist() == [row // 3 % 8 for row in rows]
    terms = phase.terms(modules, batch)
    logits = probe.person(probe.layers(batch["generated"]))
    plain = F.cross_entropy(logits, batch["person"])
    torch.testing.assert_close(terms["person"], plain)
    assert terms["person_accuracy"] == (logits.argmax(1) == batch["person"]).float().mean()
    generator, weights = list(modules.generator.parameters()), list(probe.parameters())
    (found, wanted) = (torch.autograd.grad(loss, generator + weights, retain_graph=True, allow_unused=True)
                       for loss in (terms["person"], plain))  # fmt: skip
    some = 0.0
    for k, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        if theirs is not None:
            factor = -3.0 if k < len(generator) else 1.0
            torch.testing.assert_close(ours, theirs * factor, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))
            some += float(theirs.abs().sum()) if k < len(generator) else 0.0
    assert some > 0


def test_without_reversal_nobody_is_named() -> None:
    _, modules, batch = prepared()
    assert "person" not in batch and not hasattr(modules, "person_probe")
    assert "person_probe" not in tiny(identity_reversal=1.0, epochs=1).fit(faces(24)).modules_
    with_it, without = (prepared(identity_reversal=factor)[1] for factor in (1.0, 0.0))
    for name in ("generator", "discriminator", "classifier"):
        pairs = zip(getattr(with_it, name).parameters(), getattr(without, name).parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs), "the first weights are those without"


def test_a_probe_learns_who_is_who() -> None:
    """Where images name their people the probe's term falls; else there would be nothing to unlearn."""
    torch.manual_seed(0)
    probe, person = PersonProbe(4, 1.0), torch.arange(16) % 4
    images = torch.randn(4, 3, 32, 32)[person] + 0.1 * torch.randn(16, 3, 32, 32)
    optimizer = torch.optim.Adam(probe.parameters(), 1e-3)
    for _ in range(20):
        optimizer.zero_grad()
        terms = probe.terms(images, person)
        terms["person"].backward()
        optimizer.step()
    assert terms["person"] < 0.2 and terms["person_accuracy"] == 1


def test_people_who_are_not_known_cannot_be_unlearned() -> None:
    data = faces(24)
    with pytest.raises(ValueError, match="identity_reversal: the training faces do not name their people"):
        tiny(identity_reversal=1.0).fit(data.with_table(data.table.drop(columns="subject")))
    with pytest.raises(ValueError, match="identity_reversal=-1"):
        tiny(identity_reversal=-1.0).fit(data)


@pytest.mark.parametrize("encoder", ["pooled", "strided", "classifier"])
def test_of_the_input_the_decoder_knows_the_posterior_alone(encoder: str) -> None:
    torch.manual_seed(0)
    given = {"decoder_input": "posterior", "skips": False, "names_weight": 1.0, "generator_norm": "batch"}
    generator = prepared(generator_encoder=encoder, **given)[1].generator.eval()
    images = torch.randn(5, 3, 32, 32)
    made, names = generator(images, named=True)
    assert made.shape == images.shape and names.shape == (5, 3)
    expected = generator.draw(names.softmax(1))
    torch.testing.assert_close(made, expected)
    generator.reader.forward = lambda face: (None, torch.tensor([2.0, 0.0, -1.0]).expand(len(face), 3))
    same = generator(images)  # other images, of which the reader says the same
    torch.testing.assert_close(same, same[:1].expand_as(same))


def test_a_network_like_e_has_no_maps() -> None:
    with pytest.raises(ValueError, match="generator_encoder='classifier' has no maps"):
        tiny(generator_encoder="classifier").fit(faces(24))


def test_a_posterior_leaves_no_other_way() -> None:
    for wrong in ({"skips": True, "names_weight": 1.0}, {"skips": False, "names_weight": 0.0}):
        with pytest.raises(ValueError, match="decoder_input='posterior' needs skips=False and names_weight"):
            tiny(decoder_input="posterior", **wrong).fit(faces(24))
    system = tiny(decoder_input="posterior", skips=False, names_weight=1.0, epochs=1).fit(faces(24))
    assert system.average(faces(3)).shape == (3, 32, 32, 3)


def test_attention_may_start_awake() -> None:
    for start in (0.0, 0.5):
        gammas = [block.gamma.item() for block in prepared(attention_start=start)[1].generator.attend.values()]
        assert gammas == [start] * 3


def test_averages_of_the_further_faces_alone() -> None:
    data, extra = faces(24), faces(12, seed=5)
    own, both, alone = (
        tiny(epochs=1, extra_train=extra, average_from=source).fit(data).averages_["fear"].astype(float)
        for source in ("target", "all", "extra")
    )
    mean = extra[extra.expression == "fear"].pixels().mean(0)
    assert np.abs(alone - mean).max() <= 1 and np.abs(own - mean).max() > 5
    np.testing.assert_allclose(both, (8 * own + 4 * alone) / 12, atol=1.5)
    with pytest.raises(ValueError, match="average_from: no face shows neutral, so that it has no average"):
        tiny(extra_train=extra[extra.expression != "neutral"], average_from="extra").fit(data)
    with pytest.raises(ValueError, match="no face shows anger, fear, neutral"):
        tiny(average_from="extra").fit(data)


def test_a_pretraining_has_averages_of_its_own(monkeypatch) -> None:
    system = tiny(pretrain=faces(24, seed=3), extra_train=faces(12, seed=5), average_from="extra")
    assert system._for_pretraining().average_from == "target"


# ------------------------------------------------------------------------------------------ decoder_input="class"

THROUGH_CLASS = {
    "decoder_input": "class",
    "generator_encoder": "classifier",
    "skips": False,
    "names_weight": 2.0,
    "generator_norm": "batch",
}


def test_through_a_class_there_are_as_many_faces_as_classes() -> None:
    system = tiny(**THROUGH_CLASS).fit(faces())
    drawn = system.average(faces(40, seed=5))
    assert len(np.unique(drawn.reshape(len(drawn), -1), axis=0)) <= len(system.classes_)
    with torch.inference_mode():
        named = system.modules_["generator"].eval()(torch.rand(9, 3, 32, 32) * 2 - 1, named=True)
        told = [torch.unique(named[0][named[1].argmax(1) == k], dim=0) for k in range(3)]
    assert all(len(images) <= 1 or images.std(0).max() < 1e-6 for images in told)


def test_pixels_reach_the_reader_as_if_its_probabilities_were_drawn() -> None:
    """Straight-through: the picture is that of the one-hot class, its gradient that of the probabilities."""
    torch.manual_seed(0)
    generator = prepared(**THROUGH_CLASS)[1].generator.train()
    face, seen = torch.rand(4, 3, 32, 32), []
    handle = generator.draw.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    drawn, names = generator(face, named=True)
    handle.remove()
    names.retain_grad()
    assert set(seen[0].detach().round(decimals=5).unique().tolist()) == {0.0, 1.0}
    assert torch.equal(seen[0].argmax(1), names.argmax(1))
    drawn.square().sum().backward()
    told = seen[0].detach().requires_grad_()
    (at_class,) = torch.autograd.grad(generator.draw(told).square().sum(), told)
    shares = names.detach().softmax(1)
    expected = shares * (at_class - (shares * at_class).sum(1, keepdim=True))  # the softmax's Jacobian
    torch.testing.assert_close(names.grad, expected, rtol=1e-3, atol=1e-4)
    assert generator.reader.network.conv1.weight.grad.abs().sum() > 0


def test_the_reader_is_a_network_like_e_and_starts_like_it() -> None:
    modules = prepared(**THROUGH_CLASS)[1]
    own, e = modules.generator.reader.state_dict(), modules.classifier.state_dict()
    assert {name: tensor.shape for name, tensor in own.items()} == {name: tensor.shape for name, tensor in e.items()}
    assert own["network.layer1.0.conv1.weight"].std() > 0.1  # timm's start, not the N(0, 0.02) of what draws
    assert abs(modules.generator.draw[0].weight.std() - 0.02) < 0.005


def test_what_is_of_classes_is_new_after_pretraining_on_others() -> None:
    modules = prepared(**THROUGH_CLASS)[1]
    new = modules.generator.class_layers()
    assert sorted(tuple(tensor.shape) for tensor in new) == [(3,), (3, 32), (256, 3)]
    assert all(any(tensor is each for each in fitted_and_heads(vars(modules))[1]) for tensor in new)


def test_a_class_that_nothing_trains_is_refused() -> None:
    with pytest.raises(ValueError, match="decoder_input='class' needs skips=False and names_weight"):
        tiny(decoder_input="class").fit(faces())
    system = tiny(**THROUGH_CLASS, epochs=1).fit(faces())
    with pytest.raises(ValueError, match="no attention maps"):
        system.attention_maps(faces(2), [(0.5, 0.5)])
