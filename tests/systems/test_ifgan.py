import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ferdis.faces import Faces
from ferdis.systems.ifgan import (
    IFGAN,
    Averages,
    Generator,
    PatchDiscriminator,
    SelfAttention,
    discriminator_terms,
    draw_views,
)
from ferdis.training.phases import Modules

TINY = {
    "generator_channels": (8, 16, 16),
    "discriminator_channels": 8,
    "classifier": "resnet18",
    "classifier_arguments": {"channels": (8, 16, 16, 32), "layers": (1, 1, 1, 1), "zero_init_last": False},
    "weights": None,
    "augmentation": "paper",
    "test_flip": False,
    "image_size": 36,
    "crop_size": 32,
    "min_steps": 0,
    "batch_size": 12,
    "learning_rate": 2e-3,
    "progress": False,
    # Where `small` departs from the text, the text: departures are tested by their arguments.
    "small_stem": False,
    "decoder_input": "maps",
    "generator_encoder": "strided",
    "generator_norm": "instance",
    "skips": True,
    "average_view": "input",
    "names_weight": 0.0,
    "classifier_trains_generator": True,
    "cgan_weight": 1.0,
    "schedule": "steps",
    "decay_epochs": 1,
}


def tiny(**changes) -> IFGAN:
    return IFGAN.small(**{**TINY, **changes})


def faces(n: int = 48, size: int = 36, seed: int = 0) -> Faces:
    """Three classes told apart by where a bright bar lies, on noise; eight people."""
    random = np.random.default_rng(seed)
    names = ("anger", "fear", "neutral")
    labels = np.arange(n) % 3
    images = random.integers(0, 100, (n, size, size, 3)).astype(np.uint8)
    for row, label in enumerate(labels):
        images[row, 6 + 8 * label : 12 + 8 * label, 8:28] += 120
    table = pd.DataFrame(
        {"expression": [names[k] for k in labels], "subject": [f"t/{row // 3 % 8}" for row in range(n)]}
    )
    return Faces(images, table)


def ready(system: IFGAN, data: Faces):
    """Modules of an untrained system, and one prepared batch."""
    torch.manual_seed(0)
    training = system._training_set(data, None)
    system.modules_ = system._build()
    stage = system._stages(training)[0]
    modules = Modules(**system.modules_)
    batch = stage.prepare(modules, next(iter(stage.batches(0))), torch.Generator().manual_seed(0))
    return stage, modules, batch


class TestNetworks:
    def test_paper_sizes(self) -> None:
        generator, seen = Generator(), {}
        for level, block in enumerate(generator.encoder):
            block.register_forward_hook(lambda _, __, out, level=level: seen.__setitem__(level, tuple(out.shape[1:])))
        generator.attend["decoder"].register_forward_hook(
            lambda _, __, out: seen.__setitem__("a", tuple(out.shape[1:]))
        )
        with torch.no_grad():
            out = generator(torch.zeros(1, 3, 224, 224))
        assert [seen[level] for level in range(5)] == [
            (64, 112, 112),
            (128, 56, 56),
            (256, 28, 28),
            (512, 14, 14),
            (512, 7, 7),
        ]
        assert seen["a"] == (128, 56, 56) and out.shape == (1, 3, 224, 224) and out.abs().max() <= 1
        assert generator.attend["decoder"].query.out_channels == 16

    def test_patches_are_70_pixels(self) -> None:
        network = PatchDiscriminator(8)
        image = torch.zeros(1, 3, 224, 224, requires_grad=True)
        # instance norm looks at the whole image: without it the receptive field can be read off the gradient
        network.layers = nn.Sequential(*(layer for layer in network.layers if not isinstance(layer, nn.InstanceNorm2d)))
        logits = network(image, torch.zeros(1, 3, 224, 224))
        assert logits.shape == (1, 1, 26, 26)
        logits[0, 0, 13, 13].backward()
        rows = image.grad[0].abs().sum((0, 2)).nonzero()
        assert rows.max() - rows.min() + 1 == 70

    def test_attention_starts_as_identity_and_follows_the_formula(self) -> None:
        torch.manual_seed(0)
        block, x = SelfAttention(16), torch.randn(2, 16, 4, 5)
        torch.testing.assert_close(block(x), x)
        with torch.no_grad():
            block.gamma.fill_(0.7)
        places = torch.arange(20).expand(2, -1)
        weights = block.maps(x, places).flatten(2)  # (2, 20, 20)
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 20))
        value = block.value(x).flatten(2)
        expected = x + 0.7 * torch.einsum("nqk,nck->ncq", weights, value).reshape(x.shape)
        torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-4)

    def test_without_attention_there_is_none(self) -> None:
        assert not [m for m in Generator((8, 16, 16), attention=False).modules() if isinstance(m, SelfAttention)]
        assert len([m for m in Generator((8, 16, 16)).modules() if isinstance(m, SelfAttention)]) == 3


class TestTraining:
    def test_average_takes_its_inputs_view(self) -> None:
        size, crop = 12, 8
        ramp = torch.arange(size * size * 3).reshape(1, size, size, 3) % 256
        images = ramp.to(torch.uint8).expand(6, -1, -1, -1)
        averages = Averages(2, size)
        averages.fit(images.numpy(), np.zeros(6, np.int64) + np.arange(6) % 2, np.arange(6))
        batch = draw_views(
            Modules(averages=averages),
            {"image": images, "label": torch.tensor([0, 1, 0, 1, 0, 1])},
            torch.Generator().manual_seed(0),
            image_size=size,
            crop_size=crop,
            max_degrees=5,
        )
        torch.testing.assert_close(batch["average"], batch["face"])  # every image equals its class's average
        assert (batch["face"][0] - batch["face"][1]).abs().max() > 0.01

    def test_discriminator_step_leaves_the_generator_alone(self) -> None:
        _, modules, batch = ready(tiny(), faces())
        discriminator_terms(modules, batch)["cgan"].backward()
        assert all(p.grad is None for p in modules.generator.parameters())
        assert all(p.grad is not None for p in modules.discriminator.parameters())

    @pytest.mark.parametrize("term", ["cgan", "l1", "softmax", "island"])
    @pytest.mark.parametrize("classifier_input", ["generated", "pair"])
    def test_every_term_of_eq_1_reaches_the_generator(self, term: str, classifier_input: str) -> None:
        stage, modules, batch = ready(tiny(classifier_input=classifier_input), faces())
        stage.phases[1].terms(modules, dict(batch))  # the first step gives the centres their start
        modules.centres.known.fill_(True)
        modules.centres.values.normal_()
        stage.phases[1].terms(modules, batch)[term].backward()
        assert sum(p.grad.abs().sum() for p in modules.generator.parameters() if p.grad is not None) > 0

    def test_both_images_pass_the_classifier_at_once(self) -> None:
        stage, modules, batch = ready(tiny(), faces())
        sizes = []
        modules.classifier.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
        stage.phases[1].terms(modules, batch)
        assert sizes == [2 * len(batch["face"])]
        assert batch["features"].shape[0] == len(batch["face"])

    def test_weights_are_the_papers(self) -> None:
        system = tiny()
        stage, _, _ = ready(system, faces())
        assert stage.phases[1].weights == {"cgan": 1.0, "l1": 20.0, "softmax": 10.0, "island": 1.0}
        default = IFGAN()
        assert (default.batch_size, default.epochs, default.learning_rate) == (50, 100, 1e-4)
        assert (default.betas, default.weight_decay, default.decay, default.decay_epochs) == (
            (0.9, 0.99),
            1e-4,
            0.9,
            10,
        )
        assert (default.image_size, default.crop_size, default.max_degrees) == (256, 224, 5.0)
        assert default.classifier.startswith("resnet101") and default.island_alpha == 0.03

    def test_overfits_one_batch(self) -> None:
        data = faces(12)
        system = tiny(epochs=60, decay_epochs=60, max_degrees=0.0, seed=1).fit(data)
        last = system.history_[system.history_["epoch"] == 60].set_index(["phase", "term"])["value"]
        first = system.history_[system.history_["epoch"] == 1].set_index(["phase", "term"])["value"]
        assert last["joint", "l1"] < 0.4 * first["joint", "l1"]
        assert last["joint", "accuracy"] == 1
        assert system.score(data) == 1

    def test_first_step_has_no_island_loss_and_centres_follow(self) -> None:
        stage, modules, batch = ready(tiny(), faces())
        terms = stage.phases[1].terms(modules, batch)
        assert terms["island"].item() == 0
        stage.phases[1].after_step(modules, batch, lambda x: x)
        for k in range(3):
            expected = batch["features"][batch["label"] == k].mean(0)
            centre = modules.centres.values[k]
            assert torch.dist(centre, expected) < 0.2 * expected.norm()  # moved from its mean by the alpha term only


class TestAverages:
    def test_are_the_means_of_the_training_faces(self) -> None:
        data = faces()
        system = tiny(epochs=1).fit(data)
        for name in data.classes:
            expected = data[data.expression == name].pixels().astype(float).mean(0)
            assert np.abs(system.averages_[name] - expected).max() <= 0.5 + 1e-3

    def test_contain_no_validation_and_no_extra_face(self) -> None:
        data = faces()
        white = Faces(np.full_like(data.pixels(), 255), data.to_frame().assign(subject="t/white"))
        plain = tiny(epochs=1).fit(data).averages_
        other = tiny(epochs=1, extra_train=white).fit(data, validation=white).averages_
        everything = tiny(epochs=1, extra_train=white, average_from="all").fit(data).averages_
        for name in data.classes:
            assert np.array_equal(plain[name], other[name])
            assert everything[name].mean() > plain[name].mean() + 50

    def test_extra_classes_are_dropped_and_counted(self) -> None:
        data = faces()
        extra = Faces(data.pixels(), data.to_frame().assign(expression="disgust", subject="t/x"))
        system = tiny(epochs=1, extra_train=Faces.concat([extra, data[:3]])).fit(data)
        assert list(system.classes_) == ["anger", "fear", "neutral"]
        assert any("48 of 51 faces dropped" in note for note in system.notes_)


@pytest.fixture(scope="module")
def fitted() -> IFGAN:
    return tiny(epochs=2).fit(faces())


class TestEstimator:
    def test_average_and_attention_maps(self, fitted: IFGAN) -> None:
        data = faces(5)
        generated = fitted.average(data)
        assert generated.shape == (5, 32, 32, 3) and generated.dtype == np.uint8
        assert generated.std() > 1
        maps = fitted.attention_maps(data, [(0.1, 0.2), (1.0, 1.0)])
        assert maps.shape == (5, 2, 8, 8)
        np.testing.assert_allclose(maps.sum((2, 3)), 1, rtol=1e-5)
        with pytest.raises(ValueError, match="fractions"):
            fitted.attention_maps(data, [(0, 2)])

    def test_attention_ablation_and_pair(self) -> None:
        system = tiny(epochs=1, attention=False, classifier_input="pair").fit(faces(24))
        assert system.predict_proba(faces(4)).shape == (4, 3)
        with pytest.raises(ValueError, match="attention=False"):
            system.attention_maps(faces(2), [(0.5, 0.5)])

    def test_generated_input_hides_the_face_from_the_classifier(self, fitted: IFGAN) -> None:
        """Identity-free: with the generator's output fixed, the prediction cannot depend on the input."""
        generator = fitted.modules_["generator"]
        handle = generator.register_forward_hook(lambda *_: torch.zeros(4, 3, 32, 32))
        try:
            assert len(np.unique(fitted.predict_proba(faces(4)), axis=0)) == 1
        finally:
            handle.remove()

    def test_validation_selects_an_epoch(self) -> None:
        data = faces()
        system = tiny(epochs=3).fit(data[:36], validation=data[36:])
        scores = system.history_[system.history_["term"] == "score"]["value"]
        assert system.selection_ == "validation" and len(scores) == 3
        assert system.score(data[36:]) == pytest.approx(scores.max())

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"classifier_input": "both"}, "classifier_input"),
            ({"average_from": "test"}, "average_from"),
            ({"crop_size": 30}, "multiple of 8"),
            ({"crop_size": 40}, "larger than image_size"),
            ({"generator_channels": (8, 8)}, "at least 3"),
            ({"island_reduction": "max"}, "island_reduction"),
            ({"sampler": "random"}, "sampler"),
            ({"class_weight": "even"}, "class_weight"),
            ({"class_weight": {"joy": 2}}, "class_weight names joy"),
            ({"epochs": 0}, "epochs"),
        ],
    )
    def test_bad_arguments(self, changes: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            tiny(**changes).fit(faces(12))

    def test_small_fits_two_cores(self) -> None:
        assert 0.01e9 < IFGAN.small().flops() <= 0.5e9
        assert math.isclose(IFGAN.small(attention=False).flops(), IFGAN.small().flops(), rel_tol=0.3)
