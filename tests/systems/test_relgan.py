import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

from ferdis.datasets.synthetic.dataset import load_synthetic
from ferdis.faces import Faces
from ferdis.preprocess.augment import to_unit_range
from ferdis.systems.baselines import BaselineCNN
from ferdis.systems.classifier import modules_in_eval_mode, resized
from ferdis.systems.relgan import (
    RELGAN,
    Decoder,
    Discriminator,
    Encoder,
    discriminator_every,
    discriminator_loss,
    discriminator_terms,
    generator_losses,
    pixel_loss,
    reenactment_terms,
)
from ferdis.training.history import History
from ferdis.training.phases import Modules
from tests.systems.test_ifgan import faces

TINY = {
    # Where `small` departs from the text, the text: departures are tested by their arguments.
    "encoder": "blocks",
    "weights": None,
    "augmentation": "paper",
    "test_flip": False,
    "names_weight": 0.0,
    "self_transfers": 0.0,
    "finetune_encoder": False,
    "mlp_learning_rate": 2e-3,
    "decay": 0.85,
    "decay_epochs": 1,
    "encoder_channels": (8, 8, 16, 16, 16),
    "decoder_channels": (16, 16, 8, 8, 8),
    "discriminator_channels": (4, 8, 8, 8),
    "image_size": 36,
    "crop_size": 32,
    "min_steps": 0,
    "truths": 2,
    "pixel_weight": 20.0,
    "near_optimal": 0.9,
    "batch_size": 12,
    "schedule": "steps",
    "progress": False,
}


def tiny(**changes) -> RELGAN:
    return RELGAN.small(**{**TINY, "epochs": 1, "mlp_epochs": 1, **changes})


def posed(n: int = 48, **arguments) -> Faces:
    """`faces`, whose images of one person are alike but for the expression, as the loader would say."""
    data = faces(n, **arguments)
    return Faces(data.pixels(), data.to_frame(), {"posed": True})


def drawn(people: int = 4, seed: int = 0, expressions: str = "anger,happiness,neutral") -> Faces:
    return load_synthetic(people, expressions, 1, 36, "easy", seed, cache=False)


def ready(system: RELGAN, data: Faces):
    """The first stage of an untrained system, its modules, and one prepared batch."""
    torch.manual_seed(0)
    system.notes_ = []
    training = system._training_set(data, None)
    system.modules_ = system._build()
    stage = system._stages(training)[0]
    modules = Modules(**stage.modules)
    return stage, modules, stage.prepare(modules, next(iter(stage.batches(0))), torch.Generator())


class TestNetworks:
    def test_paper_sizes(self) -> None:
        sizes: list[tuple[int, ...]] = []
        encoder, decoder, discriminator = Encoder(30), Decoder(), Discriminator(7, 101)
        for block in [*encoder.blocks, *decoder.blocks]:
            block.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
        discriminator.shared.register_forward_hook(lambda _, __, out: sizes.append(tuple(out.shape[1:])))
        with torch.no_grad():
            code = encoder(torch.zeros(2, 3, 96, 96))
            face = decoder(torch.zeros(2, 80))
            expression, identity = discriminator(face)
        assert sizes[:5] == [(64, 48, 48), (128, 24, 24), (256, 12, 12), (512, 6, 6), (512, 3, 3)]
        assert sizes[5:10] == [(512, 6, 6), (256, 12, 12), (128, 24, 24), (64, 48, 48), (32, 96, 96)]
        assert sizes[10] == (1024,) and code.shape == (2, 30)
        assert face.shape == (2, 3, 96, 96) and face.abs().max() <= 1
        assert expression.shape == (2, 8) and identity.shape == (2, 101)
        convolutions = [m.out_channels for m in discriminator.shared if isinstance(m, torch.nn.Conv2d)]
        assert convolutions == [16, 32, 64, 128]

    def test_weights_start_as_dcgans(self) -> None:
        system = RELGAN.small(encoder="blocks", encoder_channels=(16, 32, 64, 128, 128))
        system.classes_ = np.array(list("abcdefg"))
        modules = system._build()
        weight = modules["expression_encoder"].blocks[2][0].weight
        assert abs(weight.std().item() - 0.02) < 0.002

    def test_new_last_layers_keep_the_rest(self) -> None:
        discriminator = Discriminator(7, 101, 32, (4, 8, 8, 8)).eval()
        before = {name: value.clone() for name, value in discriminator.state_dict().items() if "head" not in name}
        discriminator.with_new_heads(Discriminator(3, 5, 32, (4, 8, 8, 8))).eval()
        expression, identity = discriminator(torch.zeros(2, 3, 32, 32))
        assert expression.shape == (2, 4) and identity.shape == (2, 5)
        after = discriminator.state_dict()
        assert before and all(torch.equal(value, after[name]) for name, value in before.items())


class TestLosses:
    def logits(self, n: int = 4, k: int = 3, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        return torch.randn(n, k + 1, generator=torch.Generator().manual_seed(k), dtype=dtype)

    def test_discriminator_loss_by_hand_and_by_its_equation(self) -> None:
        labels, people = torch.tensor([0, 2, 1, 1]), torch.tensor([4, 0, 1, 1])
        flat = torch.zeros(4, 4, dtype=torch.float64)
        value = discriminator_loss(flat, labels, torch.zeros(4, 5, dtype=torch.float64), people, flat)
        assert value.item() == pytest.approx(2 * math.log(4) + math.log(5))  # a D that knows nothing
        assert discriminator_loss(flat, labels, None, people, flat).item() == pytest.approx(2 * math.log(4))
        source, fake, target = self.logits(), -self.logits(), self.logits(k=4)
        naive = 0.0
        for row in range(4):
            naive -= math.log(source[row].softmax(0)[labels[row]]) / 4
            naive -= math.log(target[row].softmax(0)[people[row]]) / 4
            naive -= math.log(fake[row].softmax(0)[3]) / 4
        assert discriminator_loss(source, labels, target, people, fake).item() == pytest.approx(naive)
        sure = 50.0 * F.one_hot(labels, 4).double()
        fakes = torch.tensor([[0, 0, 0, 50.0]] * 4)
        assert discriminator_loss(sure, labels, None, people, fakes).item() < 1e-12

    def test_parts_of_the_generators_loss_sum_to_eq_2(self) -> None:
        labels, people = torch.tensor([0, 2, 1, 1]), torch.tensor([3, 0, 1, 1])
        expression, identity = self.logits(), self.logits(k=4)
        parts = generator_losses(expression, labels, identity, people)
        naive = 0.0
        for row in range(4):
            naive -= math.log(expression[row].softmax(0)[labels[row]]) / 4
            naive -= math.log(identity[row].softmax(0)[people[row]]) / 4
        assert sum(value.item() for value in parts.values()) == pytest.approx(naive)
        assert set(generator_losses(expression, labels, None, people)) == {"adversarial", "expression"}

    def test_adversarial_part_is_about_fakes_alone(self) -> None:
        labels = torch.tensor([0, 0])
        fooled = torch.tensor([[0.0, 9.0, -60.0], [9.0, 0.0, -60.0]])  # real for certain, once the wrong expression
        parts = generator_losses(fooled, labels, None, labels)
        assert parts["adversarial"].item() == pytest.approx(0, abs=1e-6) and parts["expression"].item() > 4
        caught = torch.tensor([[0.0, 0.0, 1000.0]] * 2)  # no overflow: 1 - p_fake is 0 in float32
        assert generator_losses(caught, labels, None, labels)["adversarial"].item() == pytest.approx(
            1000 - math.log(2), rel=1e-5
        )

    def test_pixel_loss_by_hand_and_without_a_truth(self) -> None:
        generated = torch.zeros(3, 3, 2, 2)
        truth = torch.stack([torch.full((3, 2, 2), value) for value in (0.5, -1.0, 9.0)])
        known = torch.tensor([True, True, False])
        assert pixel_loss(generated, truth, known).item() == pytest.approx(0.75)
        generated.requires_grad_()
        nothing = pixel_loss(generated, truth, torch.zeros(3, dtype=torch.bool))
        nothing.backward()
        assert nothing.item() == 0 and generated.grad.abs().sum() == 0

    def test_gradients(self) -> None:
        labels, people = torch.tensor([0, 2, 1, 1]), torch.tensor([3, 0, 1, 1])
        one, two, three = (self.logits(k=k).requires_grad_() for k in (3, 4, 3))
        assert torch.autograd.gradcheck(lambda a, b, c: discriminator_loss(a, labels, b, people, c), (one, two, three))
        assert torch.autograd.gradcheck(lambda a, b: tuple(generator_losses(a, labels, b, people).values()), (one, two))
        images = torch.rand(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
        truth = torch.rand(2, 3, 2, 2, dtype=torch.float64)
        assert torch.autograd.gradcheck(lambda x: pixel_loss(x, truth, torch.tensor([True, False])), (images,))


class TestTraining:
    def test_discriminators_step_leaves_the_generator_alone(self) -> None:
        _, modules, batch = ready(tiny(), posed())
        discriminator_terms(modules, batch)["class"].backward()
        for name in ("expression_encoder", "identity_encoder", "decoder"):
            assert all(p.grad is None for p in getattr(modules, name).parameters())
        assert all(p.grad is not None for p in modules.discriminator.parameters())

    @pytest.mark.parametrize("term", ["adversarial", "pixel", "expression", "identity"])
    def test_every_term_of_eq_4_reaches_both_encoders(self, term: str) -> None:
        _, modules, batch = ready(tiny(), posed())
        reenactment_terms(modules, batch)[term].backward()
        for name in ("expression_encoder", "identity_encoder", "decoder"):
            assert sum(p.grad.abs().sum() for p in getattr(modules, name).parameters()) > 0

    def test_defaults_are_the_papers(self) -> None:
        stage, _, _ = ready(tiny(), posed())
        weights = {"adversarial": 0.7, "pixel": 20.0, "expression": 50.0, "identity": 30.0}
        default = RELGAN()
        assert {name: getattr(default, f"{name}_weight") for name in weights} == weights and default.pixel_growth == 1
        assert set(stage.phases[1].weights) == set(weights)
        assert (default.batch_size, default.epochs, default.mlp_epochs) == (64, 300, 50)
        assert (default.learning_rate, default.betas) == (1e-4, (0.5, 0.999))
        assert (default.image_size, default.crop_size, default.near_optimal, default.generator_steps) == (
            110,
            96,
            0.9,
            4,
        )

    def test_the_pixel_weight_grows_and_stays_grown_after_a_pretraining(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setenv("FERDIS_CACHE", str(tmp_path))

        def pixel(**changes) -> list[float]:
            changes = {"epochs": 3, "pixel_weight": 20.0, **changes}
            generator = ready(tiny(**changes), posed(12))[0].phases[1]
            return [generator.weights_in(epoch)["pixel"] for epoch in range(3)]

        assert pixel(pixel_growth=1.0) == [20.0, 20.0, 20.0]
        assert pixel(pixel_growth=9.0) == pytest.approx([20.0, 60.0, 180.0])
        before = {"pretrain": drawn(2, seed=7), "pretrain_epochs": 1}
        assert pixel(pixel_growth=9.0, **before) == pytest.approx([180.0, 180.0, 180.0])

    def test_the_second_stage_changes_no_bit_of_the_encoder(self) -> None:
        system = tiny(mlp_epochs=3)
        seen: list[dict[str, torch.Tensor]] = []
        original = system._stages

        def stages(training):
            first, second = original(training)
            prepare = second.prepare

            def spy(modules, batch, random):
                seen.append({k: v.clone() for k, v in modules.expression_encoder.state_dict().items()})
                return prepare(modules, batch, random)

            object.__setattr__(second, "prepare", spy)
            return [first, second]

        system._stages = stages
        system.fit(posed())
        after = system.modules_["expression_encoder"].state_dict()
        assert len(seen) > 3 and any("running_mean" in name for name in after)
        assert all(torch.equal(value, after[name]) for name, value in seen[0].items())

    def test_generator_gets_more_steps_once_the_discriminator_leads(self) -> None:
        def history(real: float, fake: float) -> History:
            history = History()
            for step in range(1, 101):
                for name, value in (("real_accuracy", real), ("fake_accuracy", fake), ("identity_accuracy", 0.0)):
                    history.add("reenactment", 1, step, "discriminator", name, value)
            return history

        steps = lambda history: discriminator_every(history, near_optimal=0.9, generator_steps=4)  # noqa: E731
        assert steps(history(0.85, 0.99)) == 4 and steps(history(0.7, 0.99)) == 1
        assert steps(History()) == 1

    def test_overfits_one_batch(self) -> None:
        system = tiny(
            epochs=100, batch_size=6, pixel_weight=2000.0, pixel_growth=1.0, learning_rate=2e-3, decay=1.0, seed=1
        ).fit(drawn(2))
        generator = system.history_.query("phase == 'generator'").pivot(index="epoch", columns="term", values="value")
        assert generator["pixel"].iloc[-1] < 0.8 * generator["pixel"].iloc[0]
        assert generator["accuracy"].iloc[-30:].mean() > 0.5  # D reads the source's expression in them; chance is 1/3

    @pytest.mark.slow
    def test_losses_stay_finite_on_noise(self) -> None:
        random = np.random.default_rng(0)
        table = pd.DataFrame({"expression": ["anger", "fear"] * 24, "subject": [f"t/{k // 6}" for k in range(48)]})
        noise = Faces(random.integers(0, 256, (48, 36, 36, 3)).astype(np.uint8), table, {"posed": True})
        system = tiny(epochs=150, decay=1.0).fit(noise)  # four steps an epoch
        assert system.history_["step"].max() == 600 and np.isfinite(system.history_["value"]).all()


class TestEstimator:
    def test_codes_transfer_and_reconstruction(self) -> None:
        data = drawn()
        system = tiny().fit(data)
        assert system.transform(data).shape == (12, 30) and system.identity_code(data).shape == (12, 50)
        generated = system.transfer(data[[0, 1, 2]], data[[3, 6, 9]])
        assert generated.shape == (3, 32, 32, 3) and generated.dtype == np.uint8
        np.testing.assert_array_equal(system.reconstruct(data[:2]), system.transfer(data[:2], data[:2]))
        with pytest.raises(ValueError, match="3 faces and 2 references"):
            system.transfer(data[:3], data[:2])

    def test_a_transfer_keeps_the_face_and_takes_the_references_expression(self, monkeypatch) -> None:
        data = drawn()
        system = tiny().fit(data)
        expression, identity = system.transform(data), system.identity_code(data)
        assert not np.allclose(expression[0], expression[5]) and not np.allclose(identity[0], identity[5])
        monkeypatch.setattr(system, "decode", lambda *codes: codes)  # an untrained decoder draws grey whatever it gets
        found = system.transfer(data[[5, 7]], data[[0, 0]])
        for given, expected in zip(found, (expression[[0, 0]], identity[[5, 7]]), strict=True):
            np.testing.assert_allclose(given, expected, atol=1e-5)

    def test_former_keywords_say_the_new_ones(self) -> None:
        data = drawn()
        system = tiny().fit(data)
        with pytest.warns(DeprecationWarning) as said:
            made = system.transfer(sources=data[[0, 1]], targets=data[[5, 7]])
        words = [str(warning.message) for warning in said]
        assert words == [f"RELGAN.transfer({old}=) is now {new}=" for old, new in
                         (("sources", "references"), ("targets", "faces"))]  # fmt: skip
        np.testing.assert_array_equal(made, system.transfer(faces=data[[5, 7]], references=data[[0, 1]]))
        with pytest.raises(TypeError, match="got targets= and faces=, which are one argument"):
            system.transfer(data[:1], faces=data[:1], targets=data[:1])

    def test_mean_over_views(self) -> None:
        data = faces(8)
        system = tiny(epochs=10, mlp_epochs=10, mlp_learning_rate=1e-2).fit(posed())
        centre = system.predict_proba(data)
        system.set_params(test_views="all")
        mean = system.predict_proba(data)
        np.testing.assert_allclose(mean.sum(1), 1, rtol=1e-5)
        with modules_in_eval_mode(system.modules_):
            views = system._test_views(to_unit_range(torch.from_numpy(np.asarray(resized(data, system.image_size)))))
            first = system._forward_features(views[0])[1].softmax(1)
        assert len(views) == 50
        np.testing.assert_allclose(first, centre, atol=2e-6)
        assert np.abs(mean - centre).max() > 1e-4

    def test_every_view_once_an_epoch(self) -> None:
        system = tiny(views="all", batch_size=64)
        views = [batch["source_view"] for batch in system._triplets(system._training_set(faces(12), None))(0)]
        assert torch.equal(torch.cat(views).bincount(), torch.full((50,), 12))


class TestGroundTruth:
    def test_auto(self) -> None:
        cases = {"counterparts": drawn(), "pairs": posed(), "off": faces()}
        for kind, data in cases.items():
            system = tiny()
            assert system._triplets(system._training_set(data, None)).kind == kind

    def test_share_is_said(self) -> None:
        assert any("100% of the triplets have a ground truth" in note for note in tiny().fit(drawn()).notes_)
        assert any("pixel term does not run" in note for note in tiny().fit(faces(24)).notes_)

    def test_without_people(self) -> None:
        data = faces(24)
        nobody = Faces(data.pixels(), data.to_frame().drop(columns="subject"))
        system = tiny().fit(nobody)
        assert any("do not name their people" in note for note in system.notes_)
        terms = system.history_.query("stage == 'reenactment'")["term"].unique()
        assert "identity" not in terms and "expression" in terms
        with pytest.raises(ValueError, match="ground_truth='pairs'"):
            tiny(ground_truth="pairs").fit(nobody)

    def test_counterparts_cannot_be_had_of_photographs(self) -> None:
        with pytest.raises(ValueError, match="cannot be redrawn"):
            tiny(ground_truth="counterparts").fit(faces(24))


class TestPretraining:
    def test_is_done_once_and_starts_from_its_weights(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setenv("FERDIS_CACHE", str(tmp_path))
        others = drawn(3, seed=7)
        system = tiny(pretrain=others, pretrain_epochs=2, learning_rate=1e-12).fit(drawn())
        files = list((tmp_path / "relgan").glob("*/weights.safetensors"))
        assert len(files) == 1 and any("pretrained for 2 epochs" in note for note in system.notes_)
        written = files[0].stat().st_mtime_ns
        again = tiny(pretrain=others, pretrain_epochs=2, learning_rate=1e-12).fit(drawn())
        assert files[0].stat().st_mtime_ns == written
        np.testing.assert_array_equal(system.transform(drawn()), again.transform(drawn()))
        plain = tiny(learning_rate=1e-12).fit(drawn())
        assert np.abs(plain.transform(drawn()) - system.transform(drawn())).max() > 1e-4

    def test_other_expressions_and_no_people_are_fine(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setenv("FERDIS_CACHE", str(tmp_path))
        others = drawn(2, seed=7, expressions="fear,sadness,surprise,neutral")
        data = faces(24)
        nobody = Faces(data.pixels(), data.to_frame().drop(columns="subject"))
        assert tiny(pretrain=others, pretrain_epochs=1).fit(nobody).predict(nobody).shape == (24,)


class TestBadInput:
    def test_one_person(self) -> None:
        data = faces(24)
        alone = Faces(data.pixels(), data.to_frame().assign(subject="t/only"), {"posed": True})
        assert tiny().fit(alone).predict(alone).shape == (24,)

    def test_a_person_with_one_expression_and_a_class_with_one_image(self) -> None:
        data = faces(25)
        table = data.to_frame()
        table.loc[table["subject"] == "t/0", "expression"] = "anger"
        table.loc[24, ["expression", "subject"]] = ["sadness", "t/1"]
        assert tiny().fit(Faces(data.pixels(), table, {"posed": True})).predict(data).shape == (25,)

    def test_no_pair_has_a_ground_truth(self) -> None:
        data = faces(24)
        own = {"anger": "t/a", "fear": "t/f", "neutral": "t/n"}  # each person shows one expression
        table = data.to_frame().assign(subject=[own[name] for name in data.expression])
        system = tiny().fit(Faces(data.pixels(), table, {"posed": True}))
        assert any("pixel term does not run" in note for note in system.notes_)

    def test_grey_and_colour_mixed(self) -> None:
        data = posed()
        pixels = data.pixels()
        pixels[::2] = pixels[::2].mean(3, keepdims=True).astype(np.uint8)
        assert np.isfinite(tiny().fit(Faces(pixels, data.to_frame(), data.attrs)).predict_proba(data)).all()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"ground_truth": "some"}, "ground_truth"),
            ({"views": "half"}, "views"),
            ({"test_views": "half"}, "test_views"),
            ({"crop_size": 34}, "multiple of 32"),
            ({"encoder_channels": (8, 8, 8)}, "five"),
            ({"decoder_channels": (8, 8, 8)}, "name five"),
            ({"truths": 0}, "truths=0"),
            ({"mlp_epochs": 0}, "mlp_epochs=0"),
            ({"pixel_growth": 0.5}, "pixel_growth=0.5"),
        ],
    )
    def test_bad_arguments(self, changes: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            tiny(**changes).fit(faces(12))


def test_baseline_is_the_encoder_and_one_layer() -> None:
    own = ("encoder", "encoder_channels", "image_size", "crop_size")
    system = BaselineCNN.small(**{key: TINY[key] for key in own}, epochs=1,
                               views="all", batch_size=64, progress=False).fit(faces(12))  # fmt: skip
    assert system.transform(faces(3)).shape == (3, 30)
    assert set(system.modules_) == {"encoder", "classifier"} and isinstance(system.modules_["encoder"], Encoder)
    assert system.history_["step"].max() == math.ceil(12 * 50 / 64)


def test_small_is_small() -> None:
    assert RELGAN.small().flops() <= 0.5e9 and BaselineCNN.small().flops() <= 0.5e9
