"""IF-GAN's departures from the text, each by its argument."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ferdis.preprocess.augment import centre_crop, take_views
from ferdis.systems.ifgan import Generator, generate, joint_terms
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
    modules = Modules(**system.modules_)
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
    generate_defaults, terms_defaults = generate.__kwdefaults__, joint_terms.__kwdefaults__
    assert generate_defaults == {"augmentation": "paper", "average_view": "input", "named": False}
    assert terms_defaults == {"trains_generator": True}
