"""DECGAN: its networks, what each phase may touch, and the estimator; its equations are in test_decgan_equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ferdis.faces import Faces
from ferdis.systems import decgan
from ferdis.systems.decgan import (
    DECGAN,
    FEATURE,
    Discriminator,
    Encoder,
    ExpressionEncoder,
    Generator,
    ImagePool,
    discriminator_terms,
    generator_terms,
    labels_of,
)
from ferdis.training.phases import Modules

TINY = {
    "encoder_channels": (6, 8, 12),
    "generator_channels": (12, 8, 6),
    "discriminator_channels": (4, 6, 8, 8),
    "further_channels": (12,),
    "kernel": 3,
    "image_size": 24,
    "batch_size": 12,
    "epochs": 1,
    "expression_epochs": 1,
    "progress": False,
    "logger": None,
}


def tiny(**changes) -> DECGAN:
    return DECGAN.small(**{**TINY, **changes})


def faces(n: int = 24, size: int = 24, seed: int = 0, people: int = 4, posed: bool = True) -> Faces:
    """People of different backgrounds; a bar at the mouth is dark, grey or bright with the expression."""
    import pandas as pd

    random = np.random.default_rng(seed)
    names = ("anger", "fear", "happiness")
    kind, person = np.arange(n) % 3, np.arange(n) // 3 % people
    images = np.empty((n, size, size, 3))
    for row in range(n):
        images[row] = np.random.default_rng(person[row]).uniform(60, 200, 3)
        images[row, size // 2 : size // 2 + 6, 4:-4] = (10, 128, 245)[kind[row]]
    images += random.normal(0, 4, images.shape)
    table = pd.DataFrame({"expression": np.take(names, kind), "subject": [f"t/{k}" for k in person]})
    return Faces(images.clip(0, 255).astype(np.uint8), table, {"posed": posed})


def ready(system: DECGAN, data: Faces):
    """Modules of an untrained system, one prepared batch, and the phases by name."""
    torch.manual_seed(0)
    system.notes_ = []
    training = system._training_set(data, None)
    system.modules_ = system._build()
    stage = system._stages(training)[-1]
    gathered = Modules(**stage.modules)
    batch = stage.prepare(gathered, next(iter(stage.batches(0))), torch.Generator().manual_seed(0))
    return gathered, batch, {phase.name: phase for phase in stage.phases}


def convolutions(network: torch.nn.Module) -> list[torch.nn.Module]:
    return [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.ConvTranspose2d)]


class TestNetworks:
    def test_shapes_are_table_1_and_2(self) -> None:
        image, label = torch.zeros(2, 3, 64, 64), torch.zeros(2, 7 + FEATURE)
        encoder, reader = Encoder(), ExpressionEncoder(7, (64, 128, 256), 7, "instance", ())
        codes = encoder(image)
        assert codes[0] is image
        assert [tuple(code.shape) for code in codes[1:]] == [(2, 64, 64, 64), (2, 128, 32, 32), (2, 256, 16, 16)]
        maps, logits, feature = reader(image)
        assert maps.shape == codes[-1].shape and logits.shape == (2, 7) and feature.shape == (2, FEATURE)
        generator, discriminator = Generator((64, 128, 256), 7 + FEATURE), Discriminator(7 + FEATURE)
        assert generator(codes, label).shape == (2, 3, 64, 64)
        assert discriminator(image, label).shape == (2, 1, 16, 16)
        assert [m.kernel_size[0] for m in convolutions(encoder)] == [7, 3, 3]
        assert [(m.kernel_size[0], m.out_channels) for m in convolutions(generator)] == [
            (3, 256), (3, 128), (7, 64), (7, 3)]  # fmt: skip
        assert [m.kernel_size[0] for m in convolutions(discriminator)] == [7, 7, 7, 7, 7]

    @pytest.mark.parametrize("skips", [True, False])
    def test_larger_maps_join_only_with_skips(self, skips: bool) -> None:
        torch.manual_seed(0)
        generator = Generator((4, 8, 12), 5, (12, 8, 6), 3, skips=skips)
        maps = [torch.randn(1, c, side, side) for c, side in ((3, 24), (4, 24), (8, 12), (12, 6))]
        before = generator(maps, torch.zeros(1, 5))
        for number in (1, 2):
            changed = [torch.randn_like(m) if k == number else m for k, m in enumerate(maps)]
            assert torch.equal(generator(changed, torch.zeros(1, 5)), before) != skips

    def test_residual_blocks_see_further(self) -> None:
        """How far a change of one place of z is seen in the image: 3x3 convolutions a block, four pixels each."""

        def reach(blocks: int) -> int:
            torch.manual_seed(0)
            generator = Generator((4, 8, 12), 5, (12, 8, 6), 3, "batch", blocks=blocks).eval()
            maps = [torch.randn(1, c, side, side) for c, side in ((3, 96), (4, 96), (8, 48), (12, 24))]
            other = maps[3].clone()
            other[..., 12, 12] += 10
            label = torch.zeros(1, 5)
            changed = (generator([*maps[:3], other], label) - generator(maps, label)).abs().amax((0, 1, 2)) > 0
            return int(changed.sum())

        none, one, two = map(reach, (0, 1, 2))
        assert one - none == two - one == 2 * 2 * 4  # two convolutions, both sides, a place of z is four pixels

    @pytest.mark.parametrize("norm", ["instance", "batch"])
    def test_the_label_reaches_the_middle(self, norm: str) -> None:
        torch.manual_seed(0)
        generator, z = Generator((4, 8, 12), 5, (12, 8, 6), 3, norm), torch.randn(2, 12, 12, 12)
        maps = (torch.zeros(2, 3, 48, 48), torch.zeros(2, 4, 48, 48), torch.zeros(2, 8, 24, 24), z)
        first, second = (generator(maps, torch.eye(5)[[k, 2]]) for k in range(2))
        changed = (first - second)[0].abs().amax(0)
        assert changed[16:32, 16:32].mean() > 0.5 * changed.mean() > 0

    def test_d_sees_the_label(self) -> None:
        discriminator, image = Discriminator(5, (4, 6, 8, 8), 3), torch.randn(1, 3, 24, 24)
        assert (discriminator(image, torch.eye(5)[:1]) - discriminator(image, torch.eye(5)[1:2])).abs().max() > 0


class TestLibrary:
    def numbered(self, first: int, n: int) -> tuple[torch.Tensor, torch.Tensor]:
        numbers = torch.arange(first, first + n, dtype=torch.float32)
        return numbers[:, None, None, None].expand(n, 3, 4, 4), numbers[:, None].expand(n, 2)

    def test_fills_before_it_exchanges(self) -> None:
        library = ImagePool(6, 2, 4)
        for first in (0, 4):
            given = self.numbered(first, 4)
            out = library.exchange(*given)
            if first == 0:
                assert torch.equal(out[0], given[0]) and library.filled == 4
        assert library.filled == 6

    def test_face_and_label_stay_together_and_nothing_is_lost(self) -> None:
        torch.manual_seed(0)
        library, seen, old = ImagePool(6, 2, 4), [], 0
        for first in range(0, 80, 4):
            images, labels = library.exchange(*self.numbered(first, 4))
            assert torch.equal(images[:, 0, 0, 0], labels[:, 0])
            seen += labels[:, 0].tolist()
            old += int((labels[:, 0] < first).sum())
        assert torch.equal(library.faces[:, 0, 0, 0], library.labels[:, 0])
        kept = set(library.labels[:, 0].tolist())
        # The first six came out once as they were kept; whatever came out later was given in, once.
        late = [number for number in seen if number >= 6]
        assert len(late) == len(set(late)) and set(late) | kept >= set(range(6, 80))
        assert 15 < old < 60  # about half of what comes out is older

    def test_without_room_it_passes_on(self) -> None:
        given = self.numbered(0, 4)
        out = ImagePool(0, 2, 4).exchange(*given)
        assert torch.equal(out[0], given[0]) and torch.equal(out[1], given[1])

    def test_no_gradient_and_no_alias(self) -> None:
        library = ImagePool(3, 2, 4)
        faces = torch.ones(2, 3, 4, 4, requires_grad=True) * 1
        out, _ = library.exchange(faces, torch.ones(2, 2))
        assert not out.requires_grad
        out.fill_(5)
        assert library.faces[:2].max() == 1


class TestPhases:
    def test_d_learns_from_pairs_alone_and_g_is_left_in_peace(self) -> None:
        modules, batch, phases = ready(tiny(), faces())
        assert phases["discriminator"].updates == ("discriminator",)
        discriminator_terms(modules, batch)["adversarial"].backward()
        assert all(p.grad is None for p in modules.expression_encoder.parameters())  # its label is detached
        assert all(p.grad is None for p in modules.generator.parameters())
        assert all(p.grad is not None for p in modules.discriminator.parameters())

    def test_every_term_reaches_whom_it_should(self) -> None:
        reached = {
            "adversarial": {"identity_encoder", "expression_encoder", "generator"},
            "cycle": {"identity_encoder", "expression_encoder", "generator", "restorer"},
            "label": {"expression_encoder"},
            "category": {"identity_encoder", "expression_encoder", "generator", "restorer"},
            "pair": {"identity_encoder", "expression_encoder", "generator"},
            "association": {"identity_encoder", "expression_encoder"},
        }
        modules, batch, phases = ready(tiny(association_weight=1.0), faces())
        assert set(phases["generator"].weights) == set(reached)
        terms = generator_terms(modules, batch, association=True)
        for name, expected in reached.items():
            for module in phases["generator"].updates:
                parameters = list(getattr(modules, module).parameters())
                found = torch.autograd.grad(terms[name], parameters, retain_graph=True, allow_unused=True)
                touched = any(gradient is not None and gradient.abs().sum() > 0 for gradient in found)
                assert touched == (module in expected), (name, module)

    def test_e2_is_held_where_it_judges(self) -> None:
        """The category term reaches E2 as an encoder, through the label, but not as the judge."""
        modules, batch, _ = ready(tiny(), faces())
        batch = {name: value.detach() for name, value in batch.items()}
        term = generator_terms(modules, batch, association=False)["category"]
        assert not term.requires_grad

    def test_e2_learns_from_truths_as_well(self) -> None:
        """They show the reference's expression; one that is not known says nothing."""
        modules, batch, _ = ready(tiny(), faces())
        n = len(batch["face"])
        torch.testing.assert_close(batch["shown"], torch.cat([batch[name] for name in ("reference", "face", "truth")]))
        assert torch.equal(batch["expressions"][2 * n :], batch["expressions"][:n])
        some = batch["known"].clone()
        some[::3] = False
        labels = torch.cat([batch["expressions"][: 2 * n], batch["expressions"][:n].where(some, decgan.UNKNOWN)])
        modules.expression_encoder.eval()
        found = decgan.expression_terms(modules, {**batch, "expressions": labels})
        seen = torch.cat([torch.ones(2 * n, dtype=torch.bool), some])
        _, logits, _ = modules.expression_encoder(batch["shown"][seen])
        torch.testing.assert_close(found["label"], F.cross_entropy(logits, labels[seen]))
        torch.testing.assert_close(found["label_accuracy"], (logits.argmax(1) == labels[seen]).float().mean())

    def test_no_truth_no_third_part(self) -> None:
        _, batch, _ = ready(tiny(), faces(posed=False))
        assert len(batch["shown"]) == len(batch["expressions"]) == 2 * len(batch["face"])

    def test_no_association_unless_asked(self) -> None:
        _, _, phases = ready(tiny(), faces())
        assert "association" not in phases["generator"].weights

    def test_truth_and_face_are_mirrored_alike(self) -> None:
        data = faces(size=24)
        pixels = data.pixels().copy()
        pixels[:, :, :12] //= 2  # left and right differ
        _, batch, _ = ready(tiny(), Faces(pixels, data.table, data.attrs))
        left, right = (batch["face"][..., part].mean((1, 2, 3)) for part in (slice(0, 12), slice(12, 24)))
        flipped = left > right
        assert flipped.any() and not flipped.all()
        left, right = (batch["truth"][..., part].mean((1, 2, 3)) for part in (slice(0, 12), slice(12, 24)))
        assert torch.equal(flipped, left > right)


@pytest.fixture(scope="module")
def fitted() -> DECGAN:
    return tiny(epochs=2).fit(faces())


class TestEstimator:
    def test_transfers(self, fitted: DECGAN) -> None:
        data = faces(6)
        made = fitted.transfer(data, data[::-1])
        assert made.shape == (6, 24, 24, 3) and made.dtype == np.uint8
        np.testing.assert_array_equal(fitted.synthesize(data, data), fitted.reconstruct(data))
        assert fitted.restore(Faces(made, data.table), data).shape == made.shape
        assert fitted.transfer(faces(3, size=40), faces(3, size=30)).shape == (3, 24, 24, 3)
        np.testing.assert_allclose(fitted.read(data).sum(1), 1, rtol=1e-5)

    def test_generators_are_told_one_expression(self, fitted: DECGAN) -> None:
        """E2 is sure of nearly all faces that it learned from: generators never saw a half of each."""
        logits, feature = torch.tensor([[0.2, 0.1, -1.0], [-3.0, 0.0, 0.5]]), torch.rand(2, FEATURE)
        sure = labels_of((feature, logits, feature), "feature", sure=True)
        assert sure[:, :3].tolist() == [[1, 0, 0], [0, 0, 1]] and torch.equal(sure[:, 3:], feature)
        soft = labels_of((feature, logits, feature), "label")
        torch.testing.assert_close(soft, logits.softmax(1))
        data = faces(6)
        told, read = fitted._labels(data)[:, :3], fitted.read(data)
        assert np.array_equal(told, np.eye(3)[read.argmax(1)]) and (read.max(1) < 1).all()

    def test_rows_of_a_long_list_stay_theirs(self, fitted: DECGAN) -> None:
        few = faces(12)
        many, references = few[np.arange(100) % 12], few[np.arange(100)[::-1] % 12]
        whole = fitted.transfer(many, references)
        alone = fitted.transfer(many[70:71], references[70:71])
        assert np.abs(whole[70].astype(int) - alone[0]).max() <= 1

    def test_saves_and_loads(self, fitted: DECGAN, tmp_path) -> None:
        again = DECGAN.load(fitted.save(tmp_path))
        data = faces(3, seed=4)
        np.testing.assert_array_equal(again.transfer(data, data[::-1]), fitted.transfer(data, data[::-1]))
        assert list(again.classes_) == ["anger", "fear", "happiness"] and again.notes_ == fitted.notes_

    def test_same_seed_same_system(self) -> None:
        first, second, other = (tiny(seed=seed).fit(faces(12)).reconstruct(faces(2)) for seed in (3, 3, 4))
        assert np.array_equal(first, second) and not np.array_equal(first, other)

    def test_resumes_where_it_was(self, tmp_path, monkeypatch) -> None:
        """Killed in its second epoch: library, optimisers and random numbers go on as if nothing had been."""
        from ferdis.training import Trainer

        whole = tiny(epochs=3, library_size=5).fit(faces()).reconstruct(faces(2))
        original, calls = decgan.cycle_forward, []

        def killed(*given, **named):
            calls.append(1)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return original(*given, **named)

        defaults = {**Trainer.__init__.__kwdefaults__, "checkpoint_seconds": 0.0}
        monkeypatch.setattr("ferdis.training.Trainer.__init__.__kwdefaults__", defaults)
        monkeypatch.setattr(decgan, "cycle_forward", killed)
        with pytest.raises(KeyboardInterrupt):
            tiny(epochs=3, library_size=5).fit(faces(), run_dir=tmp_path)
        monkeypatch.setattr(decgan, "cycle_forward", original)
        resumed = tiny(epochs=3, library_size=5).fit(faces(), run_dir=tmp_path)
        np.testing.assert_array_equal(resumed.reconstruct(faces(2)), whole)

    @pytest.mark.parametrize(
        "changes",
        [{"condition": "label"}, {"norm": "instance"}, {"skips": False}, {"library_size": 0}],
    )
    def test_each_choice_trains(self, changes: dict) -> None:
        system = tiny(**changes).fit(faces(12))
        assert np.isfinite(system.history_["value"]).all()
        assert system.transfer(faces(2), faces(2)).shape == (2, 24, 24, 3)

    def test_pairs_where_they_exist_and_none_elsewhere(self) -> None:
        posed, wild = tiny().fit(faces(12)), tiny().fit(faces(12, posed=False))
        assert posed.notes_ == ["DECGAN: 100% of the triplets have a ground truth (ground_truth='pairs')"]
        assert "0% of the triplets" in wild.notes_[0]
        pair = wild.history_.query("term == 'pair'")["value"]
        assert (pair == 0).all() and (posed.history_.query("term == 'pair'")["value"] > 0).all()

    def test_labels_of_somebody_else(self) -> None:
        data = faces(12)
        system = tiny().fit(data, np.where(data.expression == "fear", "fear", "anger"))
        assert list(system.classes_) == ["anger", "fear"]

    def test_people_need_no_names(self) -> None:
        data = faces(12)
        nameless = Faces(data.pixels(), data.table.drop(columns="subject"))
        assert "do not name their people" in tiny().fit(nameless).notes_[0]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"condition": "both"}, "condition='both'"),
            ({"norm": "layer"}, "norm='layer'"),
            ({"ground_truth": "some"}, "ground_truth"),
            ({"image_size": 28}, "image_size=28: take a multiple of 8"),
            ({"kernel": 4}, "kernel=4"),
            ({"truths": 0}, "truths=0"),
        ],
    )
    def test_bad_arguments(self, changes: dict, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            tiny(**changes).fit(faces(12))

    def test_bad_faces(self, fitted: DECGAN) -> None:
        data = faces(12)
        with pytest.raises(ValueError, match="1 expression"):
            tiny().fit(data[data.expression == "fear"])
        with pytest.raises(ValueError, match="12 training faces and 3 labels"):
            tiny().fit(data, ["fear"] * 3)
        with pytest.raises(ValueError, match="2 faces and 3 references"):
            fitted.transfer(data[:2], data[:3])


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
def test_overfits_and_transfers_one_batch(paired: bool) -> None:
    """Twelve faces: the bar at the mouth takes the reference's brightness, the cycle closes; pairs hold the person."""
    unpaired = {"pair_weight": 0.0, "adversarial_weight": 3.0, "category_weight": 0.3, "cycle_weight": 3.0}
    weights, data = {} if paired else unpaired, faces(12)
    system = tiny(epochs=250, seed=1, learning_rate=2e-3, **weights).fit(data)
    neutral, happy = data[data.expression == "fear"], data[data.expression == "happiness"]
    made = system.transfer(neutral, happy[[1, 2, 3, 0]])  # another person's
    mouth, skin = made[:, 13:17, 6:18].mean((1, 2, 3)), made[:, :8].mean((1, 2))
    assert mouth.min() > 200, mouth  # 128 before, 245 in the reference
    if paired:  # without pairs, 16 numbers of the reference's feature carry its background over as well
        assert np.abs(skin - neutral.pixels()[:, :8].mean((1, 2))).max() < 20
    back = system.restore(Faces(made, neutral.table), neutral)
    assert np.abs(back.astype(int) - neutral.pixels()).mean() / 127.5 < 0.1
