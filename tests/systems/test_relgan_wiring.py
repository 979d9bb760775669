"""REL-GAN and its baseline: whose tensor reaches which network and which loss, in both stages and before them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferdis.preprocess.augment import centre_crop, patch_views, take_views, to_unit_range
from ferdis.systems import relgan
from ferdis.systems.baselines import BaselineCNN
from ferdis.systems.relgan import RELGAN, Decoder, Discriminator, Encoder
from ferdis.training import Modules
from tests.systems.test_relgan import TINY
from tests.wiring import (
    assert_same_terms,
    awake,
    coded,
    enlarge,
    layers,
    phase_of,
    prepared,
    rows_of,
    same_view,
    spied,
    watched,
)


def tiny(**changes) -> RELGAN:
    return RELGAN.small(**{**TINY, "epochs": 1, "mlp_epochs": 1, **changes})


def baseline(**changes) -> BaselineCNN:
    own = {name: value for name, value in TINY.items() if name in {field.name for field in fields(BaselineCNN)}}
    return BaselineCNN.small(**{**own, "epochs": 1, **changes})


def evaluating(modules: Modules, *larger: str) -> Modules:
    """In eval mode, some with weights that let faces be told apart: those of DCGAN's start give all nearly the same."""
    for name, module in vars(modules).items():
        module.eval()
        if name in larger:
            enlarge(module)
    return modules


def person(row: np.ndarray) -> np.ndarray:
    return row // 3 % 4


def test_the_baseline_starts_as_dcgan_does_and_reads_thirty_numbers() -> None:
    system = baseline(encoder_channels=(16, 32, 32, 32, 32))
    _, modules, _ = prepared(system, coded())
    weights = [
        layer.weight.flatten() for layer in modules.encoder.modules() if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    assert torch.cat(weights).std().item() == pytest.approx(0.02, rel=0.05)
    assert system.transform(coded(3)).shape == (3, 30)


class TestReenactment:
    def test_source_target_and_truth_are_whom_they_should_be(self) -> None:
        stage, _, batch = prepared(tiny(), coded(), "reenactment")
        source, target, truth = (rows_of(batch[name]).round() for name in ("source", "target", "truth"))
        assert (person(source) != person(target)).all() and batch["known"].all()
        np.testing.assert_array_equal(person(truth), person(target))
        np.testing.assert_array_equal(truth % 3, source % 3)
        labels = {"expression": source % 3, "target_expression": target % 3, "source_identity": person(source)}
        for name, expected in {**labels, "identity": person(target)}.items():
            np.testing.assert_array_equal(batch[name].numpy(), expected, err_msg=name)
        raw = next(iter(stage.batches(0)))
        for name, view in (("source", "source_view"), ("target", "target_view"), ("truth", "target_view")):
            expected = take_views(to_unit_range(raw[name]), patch_views(raw[view], 36, 32), 32)
            torch.testing.assert_close(batch[name], expected, msg=name)
        assert same_view(batch["truth"], batch["target"]).all()
        assert not same_view(batch["source"], batch["target"]).all()

    def test_the_sources_expression_is_drawn_on_the_target(self) -> None:
        seen: dict[str, Tensor] = {}

        def stub(name: str, out: Any) -> Any:
            return lambda given: (seen.__setitem__(name, given), out(given))[1]

        _, _, batch = prepared(
            tiny(), coded(), "reenactment",
            expression_encoder=stub("expression", lambda x: x.mean((2, 3)).repeat(1, 10)),
            identity_encoder=stub("identity", lambda x: -x.mean((2, 3)).repeat(1, 17)[:, :50]),
            decoder=stub("codes", lambda code: code[:, :3, None, None] + torch.zeros(1, 1, 32, 32)),
        )  # fmt: skip
        assert torch.equal(seen["expression"], batch["source"]) and torch.equal(seen["identity"], batch["target"])
        wanted = [batch["source"].mean((2, 3)).repeat(1, 10), -batch["target"].mean((2, 3)).repeat(1, 17)[:, :50]]
        torch.testing.assert_close(seen["codes"], torch.cat(wanted, 1))
        torch.testing.assert_close(batch["generated"].mean((2, 3)), batch["source"].mean((2, 3)))

    def test_terms_of_the_discriminator(self) -> None:
        stage, modules, batch = prepared(tiny(), coded(), "reenactment")
        found = phase_of(stage, "discriminator").terms(evaluating(modules, "discriminator"), batch)
        source, source_people = modules.discriminator(batch["source"])
        target, target_people = modules.discriminator(batch["target"])
        fake = modules.discriminator(batch["generated"].detach())[0]
        parts = [
            (source, batch["expression"]), (target, batch["target_expression"]),
            (source_people, batch["source_identity"]), (target_people, batch["identity"]),
        ]  # fmt: skip
        loss = sum(F.cross_entropy(*part) / 2 for part in parts)
        loss = loss + F.cross_entropy(fake, torch.full((len(fake),), 3))
        assert_same_terms(found, {"class": loss}, modules)
        right = [float((logits.argmax(1) == label).float().mean()) for logits, label in parts]
        assert found["real_accuracy"] == pytest.approx((right[0] + right[1]) / 2)
        assert found["identity_accuracy"] == pytest.approx((right[2] + right[3]) / 2)
        assert found["fake_accuracy"] == pytest.approx(float((fake.argmax(1) == 3).float().mean()))

    @pytest.mark.parametrize("known", [1.0, 0.5])
    def test_terms_of_the_generator(self, known: float) -> None:
        stage, modules, batch = prepared(tiny(), coded(), "reenactment")
        batch["known"] = torch.arange(len(batch["known"])) < known * len(batch["known"])
        found = phase_of(stage, "generator").terms(evaluating(modules, "discriminator"), batch)
        expression, people = modules.discriminator(batch["generated"])
        difference = (batch["generated"] - batch["truth"]).abs().mean((1, 2, 3))
        expected = {
            "adversarial": -(1 - expression.softmax(1)[:, -1]).log().mean(),
            "expression": F.cross_entropy(expression[:, :-1], batch["expression"]),
            "identity": F.cross_entropy(people, batch["identity"]),
            "pixel": difference[batch["known"]].mean(),
        }
        assert_same_terms(found, expected, modules)
        right = (expression[:, :-1].argmax(1) == batch["expression"]).float().mean()
        assert found["accuracy"] == pytest.approx(float(right))

    def test_real_faces_pass_the_discriminator_at_once_and_in_training_mode(self) -> None:
        stage, modules, batch = prepared(tiny(), coded(), "reenactment")
        seen: list[tuple[int, bool]] = []
        modules.discriminator.train().register_forward_hook(lambda m, x, _: seen.append((len(x[0]), m.training)))
        for phase in stage.phases:
            phase.terms(modules, batch)
        n = len(batch["source"])
        assert seen == [(2 * n, True), (n, True), (n, True)]

    def test_without_people_there_is_no_term_of_identity(self) -> None:
        data = coded().with_table(coded().table.drop(columns="subject"))
        stage, modules, batch = prepared(tiny(), data, "reenactment")
        assert set(phase_of(stage, "generator").weights) == {"adversarial", "pixel", "expression"}
        assert "identity" not in phase_of(stage, "generator").terms(modules, batch)
        assert not batch["known"].any()

    def test_transfer_as_a_graph_has_the_order_of_the_method(self) -> None:
        system = tiny()
        _, modules, _ = prepared(system, coded(), "reenactment")
        evaluating(modules, "expression_encoder", "identity_encoder", "decoder")
        pixels = to_unit_range(torch.from_numpy(coded(6).pixels()))
        faces, references = pixels[:3], pixels[3:]
        centre = [centre_crop(images, 32) for images in (references, faces)]
        codes = torch.cat([modules.expression_encoder(centre[0]), modules.identity_encoder(centre[1])], 1)
        torch.testing.assert_close(system._graphs()["transfer"](faces, references), modules.decoder(codes))

    @pytest.mark.parametrize("truths", [2, 3])
    def test_the_sampler_is_given_what_it_asks_for(self, truths: int, monkeypatch) -> None:
        calls = spied(monkeypatch, relgan, "Triplets")
        watched(monkeypatch)
        tiny(truths=truths, ground_truth="pairs", views="all", batch_size=7, seed=9).fit(coded())
        assert calls[0][1:] == ("pairs", truths, "all", 7, 9, 0.0)

    def test_the_discriminators_first_weights_come_from_the_seed(self) -> None:
        first, again, other = (
            prepared(tiny(seed=seed), coded(), "reenactment")[1].discriminator.shared[0].weight for seed in (1, 1, 2)
        )
        assert torch.equal(first, again) and not torch.equal(first, other)


class TestBeyondTheText:
    def test_the_target_is_the_truth_of_its_own_transfer(self) -> None:
        stage, modules, batch = prepared(tiny(self_transfers=0.5, ground_truth="off"), coded(), "reenactment")
        source, target, truth = (rows_of(batch[name]).round() for name in ("source", "target", "truth"))
        own = source == target
        assert 0 < own.sum() < len(own)
        np.testing.assert_array_equal(batch["known"].numpy(), own)
        np.testing.assert_array_equal(truth[own], target[own])
        assert torch.equal(batch["truth"][own], batch["target"][own])
        assert not same_view(batch["source"], batch["target"])[own].all(), "each in a view of its own"
        np.testing.assert_array_equal(batch["identity"].numpy(), person(target))
        found = phase_of(stage, "generator").terms(evaluating(modules, "discriminator"), batch)
        difference = (batch["generated"] - batch["target"]).abs().mean((1, 2, 3))
        torch.testing.assert_close(found["pixel"], difference[own].mean())

    def test_without_self_transfers_nobody_is_its_own_target(self) -> None:
        (_, _, plain), (_, _, some) = (
            prepared(tiny(self_transfers=share), coded(), "reenactment") for share in (0.0, 1.0)
        )
        assert torch.equal(some["truth"], some["target"]) and some["known"].all()
        assert (rows_of(plain["source"]).round() != rows_of(plain["target"]).round()).all()

    @pytest.mark.parametrize(("reduction", "factor"), [("mean", 1), ("batch_mean", 3 * 32**2), ("sum", 5 * 3 * 32**2)])
    def test_reductions_of_the_pixel_term(self, reduction: str, factor: int) -> None:
        images, truth = torch.rand(7, 3, 32, 32), torch.rand(7, 3, 32, 32)
        known = torch.arange(7) < 5
        expected = (images - truth)[:5].abs().mean() * factor
        torch.testing.assert_close(relgan.pixel_loss(images, truth, known, reduction), expected)
        assert relgan.pixel_loss(images, truth, known & False, reduction) == 0
        stage, modules, batch = prepared(tiny(pixel_reduction=reduction), coded(), "reenactment")
        batch["known"] = known[torch.arange(len(batch["known"])) % 7]
        found = phase_of(stage, "generator").terms(evaluating(modules), batch)["pixel"]
        torch.testing.assert_close(
            found, relgan.pixel_loss(batch["generated"], batch["truth"], batch["known"], reduction)
        )

    def test_the_cycle_leads_back_to_both_faces(self) -> None:
        stage, modules, batch = prepared(tiny(cycle_weight=2.0), coded(), "reenactment")
        phase = phase_of(stage, "generator")
        assert phase.weights["cycle"] == 2.0
        evaluating(modules, "expression_encoder", "identity_encoder", "decoder", "discriminator")
        es, et = modules.expression_encoder, modules.identity_encoder
        made = batch["generated"] = modules.decoder(torch.cat([es(batch["source"]), et(batch["target"])], 1))
        target = modules.decoder(torch.cat([es(batch["target"]), et(made)], 1))
        source = modules.decoder(torch.cat([es(made), et(batch["source"])], 1))
        expected = (target - batch["target"]).abs().mean() + (source - batch["source"]).abs().mean()
        assert_same_terms(phase.terms(modules, batch), {"cycle": expected}, modules)
        assert "cycle" not in phase_of(prepared(tiny(), coded(), "reenactment")[0], "generator").terms(modules, batch)

    def test_the_cycle_keeps_no_statistics_of_generated_faces(self) -> None:
        stage, modules, batch = prepared(tiny(cycle_weight=2.0), coded(), "reenactment")
        encoder = modules.expression_encoder.train()
        before = {name: tensor.clone() for name, tensor in encoder.named_buffers() if "running" in name}
        phase_of(stage, "generator").terms(modules, batch)
        assert before and all(torch.equal(dict(encoder.named_buffers())[name], old) for name, old in before.items())
        assert encoder.blocks[0][1].momentum == 0.1

    def test_a_layer_names_the_class_from_the_expression_code(self) -> None:
        stage, modules, batch = prepared(tiny(names_weight=2.0), coded(), "reenactment")
        phase = phase_of(stage, "generator")
        assert phase.weights["names"] == 2.0 and "names" in phase.updates
        evaluating(modules, "expression_encoder", "decoder", "discriminator", "names")
        code = batch["code"] = modules.expression_encoder(batch["source"])
        named = F.cross_entropy(modules.names(code), batch["expression"])
        assert_same_terms(phase.terms(modules, batch), {"names": named}, modules)
        assert "names" not in phase_of(prepared(tiny(), coded(), "reenactment")[0], "generator").terms(modules, batch)

    def test_what_decodes_is_the_code_that_is_named(self) -> None:
        seen: list[Tensor] = []
        stub = lambda face: (seen.append(face), face.mean((2, 3)).repeat(1, 10))[1]  # noqa: E731
        _, _, batch = prepared(tiny(names_weight=2.0), coded(), "reenactment", expression_encoder=stub)
        torch.testing.assert_close(batch["code"], seen[0].mean((2, 3)).repeat(1, 10))
        torch.testing.assert_close(seen[0], batch["source"])

    def test_a_share_is_a_share(self) -> None:
        with pytest.raises(ValueError, match=r"self_transfers=1\.5: a share, from 0 to 1"):
            tiny(self_transfers=1.5).fit(coded())


class TestPretraining:
    def test_its_weights_begin_the_training_and_the_last_layers_are_new(self, monkeypatch) -> None:
        watch = watched(monkeypatch)
        run, moved = watch.run, {}

        def train(stages: list, *, signature: str) -> None:
            run(stages, signature=signature)
            if stages[0].name == "pretraining":
                with torch.no_grad():
                    for name, module in stages[0].modules.items():
                        for parameter in module.parameters():
                            parameter.add_(1.0)
                        moved[name] = {k: v.clone() for k, v in module.state_dict().items()}

        watch.run = train
        before = coded(12, people=2, first=24)
        system = tiny(pretrain=before, pretrain_epochs=7, seed=4).fit(coded())
        first, second, third = watch.stages
        assert (first.name, second.name, third.name) == ("pretraining", "reenactment", "classifier")
        assert first.epochs == 7
        rows = np.concatenate([rows_of(to_unit_range(b["source"])) for b in first.batches(0)])
        assert set(rows) <= set(range(24, 36)), "only the people of the pretraining"
        for name in ("expression_encoder", "identity_encoder", "decoder"):
            found = system.modules_[name].state_dict()
            assert all(torch.equal(found[key], value) for key, value in moved[name].items())
        found = second.modules["discriminator"].state_dict()
        body = {key: value for key, value in moved["discriminator"].items() if "head" not in key}
        assert body and all(torch.equal(found[key], value) for key, value in body.items())
        assert found["identity_head.weight"].shape == (4, 256) and found["expression_head.weight"].shape == (4, 256)
        assert found["identity_head.weight"].abs().max() < 0.5, "fresh, not the pretrained one plus 1"

    def test_it_depends_on_all_that_it_uses(self) -> None:
        own = {
            "seed", "epochs", "min_steps", "pretrain", "pretrain_epochs", "extra_train", "class_weight", "sampler",
            "test_flip", "test_views", "ground_truth", "hidden", "dropout", "mlp_epochs", "mlp_learning_rate",
            "mlp_views", "finetune_encoder", "steps_per_image",
        }  # fmt: skip
        assert set(relgan._PRETRAINING) == {field.name for field in fields(RELGAN)} - own


class TestSecondStage:
    def test_the_code_is_the_frozen_encoders_of_the_drawn_view(self) -> None:
        seen: list[Tensor] = []
        stub = lambda face: (seen.append(face), face.mean((2, 3)).repeat(1, 10))[1]  # noqa: E731
        stage, _, batch = prepared(tiny(), coded(), "classifier", expression_encoder=stub)
        raw = next(iter(stage.batches(0)))
        expected = take_views(to_unit_range(raw["image"]), patch_views(raw["view"], 36, 32), 32)
        torch.testing.assert_close(seen[0], expected)
        np.testing.assert_array_equal(rows_of(seen[0]).round() % 3, batch["label"])
        torch.testing.assert_close(batch["code"], expected.mean((2, 3)).repeat(1, 10))
        assert stage.frozen == ("expression_encoder",) and set(stage.modules) == {"expression_encoder", "classifier"}

    def test_all_views_are_encoded_once(self) -> None:
        calls: list[int] = []
        stub = lambda face: (calls.append(len(face)), face.mean((2, 3)).repeat(1, 10))[1]  # noqa: E731
        stage, modules, _ = prepared(tiny(mlp_views="all"), coded(), "classifier", expression_encoder=stub)
        assert sum(calls) == 24 * 50 and len(stage.batches(0)) == 24 * 50 // 12
        plain = prepared(tiny(views="all", mlp_views="random"), coded(), "classifier")[0]
        assert len(plain.batches(0)) == 2
        images = to_unit_range(torch.from_numpy(coded().pixels()))
        seen = set()
        for raw in stage.batches(0):
            batch = stage.prepare(modules, raw, torch.Generator())
            expected = take_views(images[raw["row"]], patch_views(raw["view"], 36, 32), 32).mean((2, 3)).repeat(1, 10)
            torch.testing.assert_close(batch["code"], expected)
            np.testing.assert_array_equal(raw["row"] % 3, batch["label"])
            seen |= set(zip(raw["row"].tolist(), raw["view"].tolist(), strict=True))
        assert sum(calls) == 24 * 50 == len(seen), "no face is encoded again"

    def test_a_copy_of_the_encoder_is_tuned(self) -> None:
        system = tiny(finetune_encoder=True, mlp_epochs=2).fit(coded())
        frozen, tuned = (system.modules_[f"{name}_encoder"] for name in ("expression", "recognition"))
        moved = [(a - b).abs().max() for a, b in zip(frozen.parameters(), tuned.parameters(), strict=True)]
        assert 0 < max(moved) < 0.1, "it started from the other, and learned"
        plain = tiny(mlp_epochs=2).fit(coded())
        assert all(torch.equal(a, b) for a, b in zip(frozen.state_dict().values(),
                                                     plain.modules_["expression_encoder"].state_dict().values(),
                                                     strict=True))  # fmt: skip
        decoded = []
        system.decode = lambda expression, identity: decoded.append(expression)
        system.transfer(coded(4), coded(4, first=4))
        np.testing.assert_array_equal(decoded[0], plain.expression_code(coded(4, first=4)))
        images = centre_crop(to_unit_range(torch.from_numpy(coded(4).pixels())), 32)
        np.testing.assert_allclose(system.transform(coded(4)), tuned(images).detach(), atol=1e-5)
        np.testing.assert_allclose(system.expression_code(coded(4)), frozen(images).detach(), atol=1e-5)

    def test_terms_of_a_tuned_encoder_reach_it(self) -> None:
        stage, modules, batch = prepared(tiny(finetune_encoder=True), coded(), "classifier")
        terms = phase_of(stage, "classifier").terms(modules, batch)
        found = torch.autograd.grad(terms["softmax"], list(modules.recognition_encoder.parameters()), allow_unused=True)
        assert all(gradient is not None for gradient in found)
        assert stage.frozen == ("expression_encoder",)

    def test_terms(self) -> None:
        stage, modules, batch = prepared(tiny(class_weight={"fear": 4.0}), coded(), "classifier")
        found = phase_of(stage, "classifier").terms(evaluating(modules), batch)
        logits = modules.classifier(batch["code"])
        expected = {"softmax": F.cross_entropy(logits, batch["label"], torch.tensor([1.0, 4.0, 1.0]))}
        assert_same_terms(found, expected, modules)
        assert found["accuracy"] == pytest.approx(float((logits.argmax(1) == batch["label"]).float().mean()))


class TestBaseline:
    def test_views_and_terms(self) -> None:
        stage, modules, batch = prepared(baseline(class_weight={"fear": 4.0}), coded())
        raw = next(iter(stage.batches(0)))
        expected = take_views(to_unit_range(raw["image"]), patch_views(raw["view"], 36, 32), 32)
        torch.testing.assert_close(batch["face"], expected)
        np.testing.assert_array_equal(rows_of(batch["face"]).round() % 3, batch["label"])
        found = phase_of(stage, "classifier").terms(evaluating(modules), batch)
        logits = modules.classifier(modules.encoder(batch["face"]))
        loss = F.cross_entropy(logits, batch["label"], torch.tensor([1.0, 4.0, 1.0]))
        assert_same_terms(found, {"softmax": loss}, modules)
        assert stage.frozen == ()

    def test_its_encoder_is_relgans_with_one_layer(self) -> None:
        found = baseline()
        found.classes_ = np.array(["a", "b"])
        modules = found._build()
        assert type(modules["encoder"]) is Encoder and type(modules["classifier"]) is nn.Linear
        assert modules["encoder"].code.out_features == modules["classifier"].in_features == 30


@pytest.mark.parametrize("system", [tiny, baseline])
@pytest.mark.parametrize("views", ["centre", "all"])
def test_prediction(system, views: str) -> None:
    data, fitted = coded(3), system(test_views=views)
    prepared(fitted, coded())
    modules = fitted.modules_
    encoder = modules["expression_encoder" if system is tiny else "encoder"]
    images = to_unit_range(torch.from_numpy(data.pixels()))
    logits = [
        modules["classifier"](encoder(take_views(images, patch_views(torch.full((3,), number), 36, 32), 32)))
        for number in range(1 if views == "centre" else 50)
    ]
    expected = torch.stack([each.softmax(1) for each in logits]).mean(0).detach()
    np.testing.assert_allclose(fitted.predict_proba(data), expected, atol=1e-5)
    np.testing.assert_allclose(fitted.transform(data), encoder(centre_crop(images, 32)).detach(), atol=1e-5)


class TestNetworks:
    def test_encoders_by_layers(self) -> None:
        with torch.device("meta"):
            found = layers(Encoder(30), torch.zeros(2, 3, 96, 96))
        expected: list[str] = []
        for a, b, s in ((3, 64, 96), (64, 128, 48), (128, 256, 24), (256, 512, 12), (512, 512, 6)):
            shape = f"{b}x{s}x{s}"
            expected += [f"Conv2d {a}>{b} 3x3/1 -> {shape}", f"BatchNorm2d affine -> {shape}", f"ReLU -> {shape}"]
            expected.append(f"AvgPool2d -> {b}x{s // 2}x{s // 2}")
        assert found == [*expected, "Linear 4608>30 -> 30"]

    def test_decoder_by_layers(self) -> None:
        with torch.device("meta"):
            found = layers(Decoder(), torch.zeros(2, 80))
        expected = ["Linear 80>4608 -> 4608"]
        for a, b, s in ((512, 512, 6), (512, 256, 12), (256, 128, 24), (128, 64, 48), (64, 32, 96)):
            shape = f"{b}x{s}x{s}"
            expected += [f"Upsample -> {a}x{s}x{s}", f"Conv2d {a}>{b} 3x3/1 -> {shape}"]
            expected += [f"BatchNorm2d affine -> {shape}", f"ReLU -> {shape}"]
        assert found == [*expected, "Conv2d 32>3 3x3/1 -> 3x96x96", "Tanh -> 3x96x96"]

    def test_discriminator_by_layers(self) -> None:
        with torch.device("meta"):
            found = layers(Discriminator(7, 101), torch.zeros(2, 3, 96, 96))
        expected: list[str] = []
        for a, b, s in ((3, 16, 96), (16, 32, 48), (32, 64, 24), (64, 128, 12)):
            shape = f"{b}x{s}x{s}"
            expected += [f"Conv2d {a}>{b} 3x3/1 -> {shape}", f"BatchNorm2d affine -> {shape}"]
            expected += [f"LeakyReLU 0.2 -> {shape}", f"AvgPool2d -> {b}x{s // 2}x{s // 2}"]
        dense = lambda a, b: [f"Linear {a}>{b} -> {b}", f"BatchNorm1d -> {b}", f"LeakyReLU 0.2 -> {b}"]  # noqa: E731
        branch = [*dense(1024, 512), *dense(512, 256)]
        expected += ["Flatten -> 4608", *dense(4608, 1024)]
        assert found == [*expected, *branch, "Linear 256>8 -> 8", *branch, "Linear 256>101 -> 101"]

    def test_the_mlp_by_layers(self) -> None:
        system = RELGAN()
        system.classes_ = np.array(list("abcdefg"))
        with torch.device("meta"):
            found = layers(system._build()["classifier"], torch.zeros(2, 30))
        assert found == ["Linear 30>128 -> 128", "ReLU -> 128", "Dropout 0.2 -> 128", "Linear 128>7 -> 7"]

    def test_weights_start_normal(self) -> None:
        stage, _, _ = prepared(tiny(), coded(), "reenactment")
        for name, module in stage.modules.items():
            weights = [m.weight for m in module.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
            assert torch.cat([w.flatten() for w in weights]).std().item() == pytest.approx(0.02, rel=0.1), name

    def test_new_last_layers_belong_to_their_branches(self) -> None:
        torch.manual_seed(0)
        network = Discriminator(3, 5, 32, (4, 8, 8, 8)).eval()
        awake([network])
        face = torch.randn(2, 3, 32, 32)
        shared = network.shared(face)
        expression, identity = network(face)
        torch.testing.assert_close(expression, network.expression_head(network.expression(shared)))
        torch.testing.assert_close(identity, network.identity_head(network.identity(shared)))
        fresh = Discriminator(2, 4, 32, (4, 8, 8, 8))
        again = network.with_new_heads(fresh)
        assert again.shared is network.shared and again.identity_head is fresh.identity_head
        assert again.expression_head is fresh.expression_head and again.identity is not fresh.identity
