"""The zoo's network inside the systems: what it looks at, how it starts, and which systems take it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from ferdis import IFGAN, RELGAN, BaselineCNN, Faces, ResNetClassifier, zoo
from ferdis.faces import SEVEN_EXPRESSIONS
from ferdis.preprocess.align import TEMPLATE
from ferdis.systems.base import modules_in_eval_mode
from ferdis.systems.recogniser_network import (
    RecogniserEncoder,
    RecogniserNetwork,
    image_classifier,
    names_through_hidden,
)
from ferdis.weights import read_weights
from ferdis.zoo.networks import LUMA, Recogniser
from ferdis.zoo.networks import TEMPLATE as VIEWED

START = "zoo:expression"


def first_of_the_zoo():
    card = zoo.card("expression")
    tensors = read_weights(START)
    return Recogniser.of(tensors, len(card["classes"]), len(card["action_units"])).networks[0]


def images(n: int = 6, side: int = 64, seed: int = 0) -> torch.Tensor:
    """Smooth colour images in [-1, 1]."""
    coarse = torch.randn(n, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bicubic").clamp(-1, 1)


def faces(names=SEVEN_EXPRESSIONS, each: int = 4) -> Faces:
    random = np.random.default_rng(0)
    table = pd.DataFrame({"expression": list(names) * each})
    table["subject"] = [f"p{row % 4}" for row in range(len(table))]
    return Faces(random.integers(0, 256, (len(table), 72, 72, 3), np.uint8), table)


@pytest.mark.parametrize(("side", "inner"), [(64, 64 / 72), (72, 1.0), (224, 224 / 256)])
def test_eyes_and_nose_lie_where_the_recogniser_has_them(side: int, inner: float) -> None:
    network = RecogniserNetwork(7, inner=inner).eval()
    seen = []
    network.network.features.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    place = (torch.arange(side) + 0.5) / side
    for point in TEMPLATE:
        across, down = (torch.tensor(point) - 0.5) / inner + 0.5
        away = (place[None] - across) ** 2 + (place[:, None] - down) ** 2
        network((2 * torch.exp(-away / (2 * 0.03**2)) - 1).expand(1, 3, side, side).float())
    found = [divmod(int(view.flatten().argmax()), 48) for view in seen]
    where = np.array([[column + 0.5, row + 0.5] for row, column in found]) / 48
    assert np.abs(where - np.array(VIEWED)).max() < 0.035, "the two templates are not similar: a pixel and a half"


def test_no_pixel_of_a_large_image_is_skipped() -> None:
    """Stripes of single columns, black and white: averaged they are grey, and what is flat stays 0."""
    network, seen = RecogniserNetwork(7).eval(), []
    network.network.features.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    network(torch.tensor([-1.0, 1.0]).repeat(96).expand(1, 3, 192, 192))
    assert seen[0].abs().max() < 1e-3


def test_it_starts_as_the_zoos_first_network_and_sees_grey_without_exposure() -> None:
    network, zoos = RecogniserNetwork(list(SEVEN_EXPRESSIONS), weights=START).eval(), first_of_the_zoo()
    seen, given = [], images()
    network.network.features.register_forward_pre_hook(lambda _, part: seen.append(part[0]))
    found = network(given)[1]
    torch.testing.assert_close(found, zoos(seen[0])[0], rtol=1e-4, atol=1e-4)
    grey = (given * torch.tensor(LUMA)[:, None, None]).sum(1, keepdim=True).expand(-1, 3, -1, -1)
    torch.testing.assert_close(network(grey)[1], found, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(network(given * 0.6 - 0.2)[1], found, rtol=1e-3, atol=1e-3)


def test_classes_have_their_own_rows_in_any_order_and_new_names_new_ones() -> None:
    heads, names = first_of_the_zoo().heads, ["sadness", "bored", "anger"]
    found = RecogniserNetwork(names, weights=START).network.heads
    assert found.weight[0].equal(heads.weight[SEVEN_EXPRESSIONS.index("sadness")])
    assert found.bias[2].equal(heads.bias[SEVEN_EXPRESSIONS.index("anger")])
    assert not any(row.equal(found.weight[1]) for row in heads.weight)


def test_a_code_begins_with_what_the_recogniser_says() -> None:
    encoder = RecogniserEncoder(30)
    encoder.start_from(read_weights(START), START)
    heads = first_of_the_zoo().heads
    assert len(heads.weight) == 24 and encoder.network.heads.weight[:24].equal(heads.weight)
    assert encoder(images()).shape == (6, 30)


def test_two_images_have_two_channels() -> None:
    pair = RecogniserNetwork(7, in_channels=6, weights=START).eval()
    one = RecogniserNetwork(7, weights=START).eval()
    given = images()
    torch.testing.assert_close(pair(torch.cat([given, given], 1))[1], one(given)[1], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(pair(torch.cat([given, given.flip(0)], 1))[1], one(given)[1], atol=1e-2)


@pytest.mark.parametrize("cls", [IFGAN, ResNetClassifier])
def test_of_a_classifier(cls, tmp_path) -> None:
    given = faces()
    system = cls.small(classifier="recogniser", weights=START, epochs=1, progress=False).fit(given)
    assert isinstance(system.modules_["classifier"], RecogniserNetwork)
    again = cls.load(system.save(tmp_path / "model"))
    np.testing.assert_allclose(again.predict_proba(given), system.predict_proba(given), atol=1e-5)
    file = str(tmp_path / "model" / "weights.safetensors")
    network = image_classifier("recogniser", SEVEN_EXPRESSIONS, weights=file)
    assert network.last_layer.weight.equal(system.modules_["classifier"].last_layer.weight)


@pytest.mark.parametrize(("cls", "name"), [(BaselineCNN, "encoder"), (RELGAN, "expression_encoder")])
def test_of_an_encoder(cls, name: str, tmp_path) -> None:
    given, zoos = faces(), first_of_the_zoo()
    system = cls.small(encoder="recogniser", weights=START, epochs=1, learning_rate=1e-9, progress=False).fit(given)
    encoder = system.modules_[name]
    assert isinstance(encoder, RecogniserEncoder) and any(
        "starts from zoo:expression" in note for note in system.notes_
    )
    torch.testing.assert_close(encoder.network.heads.weight[:24], zoos.heads.weight, rtol=1e-4, atol=1e-4)
    again = cls.load(system.save(tmp_path / "model"))
    np.testing.assert_allclose(again.predict_proba(given), system.predict_proba(given), atol=1e-5)


@pytest.mark.parametrize("cls", [BaselineCNN, RELGAN])
def test_the_first_answer_is_the_zoos(cls) -> None:
    """A random layer on the code would answer at random, and pull at the encoder until it has learned."""
    system = cls.small(image_size=64)
    system.classes_, system.notes_ = np.array(["sadness", "anger", "surprise"]), []
    system.modules_ = system._build()
    given = images()
    with modules_in_eval_mode(system.modules_), torch.no_grad():
        found = system._forward_features(given)[1]
        zoos = RecogniserNetwork(["sadness", "anger", "surprise"], weights=START).eval()(given)[1]
    torch.testing.assert_close(found, zoos, rtol=1e-4, atol=1e-4)
    if cls is RELGAN:
        torch.testing.assert_close(
            system._names().weight[:, :7], torch.eye(7)[[SEVEN_EXPRESSIONS.index(name) for name in system.classes_]]
        )
        assert not system._names().weight[:, 7:].any()


def test_reenactment_goes_on_from_the_zoos_encoders() -> None:
    system = RELGAN.small(weights="zoo:relgan-small")
    system.classes_, system.notes_ = np.array(["bored", "anger"]), []
    built, tensors = system._build(), read_weights("zoo:relgan-small")
    for name in ("expression_encoder", "identity_encoder", "decoder"):
        learned = {key.removeprefix(f"{name}."): part for key, part in tensors.items() if key.startswith(f"{name}.")}
        state = built[name].state_dict()
        assert learned.keys() == state.keys() and all(state[key].equal(part) for key, part in learned.items())
    assert system._began_as == "saved"


@pytest.mark.parametrize("cls", [BaselineCNN, RELGAN])
def test_classes_that_the_zoo_does_not_know_begin_at_random(cls) -> None:
    def last(**arguments) -> torch.Tensor:
        system = cls.small(**arguments)
        system.classes_, system.notes_ = np.array(["bored", "anger"]), []
        torch.manual_seed(0)
        classifier = system._build()["classifier"]
        return classifier.weight if cls is BaselineCNN else classifier[3].weight

    random, begun = last(weights=None), last()
    assert begun[0].equal(random[0]) and not begun[1].equal(random[1])


def test_a_narrow_hidden_layer_stays_random() -> None:
    torch.manual_seed(0)
    hidden, last = torch.nn.Linear(30, 13), torch.nn.Linear(13, 2)
    before = hidden.weight.clone(), last.weight.clone()
    names_through_hidden(hidden, last, ["anger", "fear"])
    assert hidden.weight.equal(before[0]) and last.weight.equal(before[1])


def test_weights_of_another_network_are_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^zoo:expression is the recogniser's network: .*encoder='recogniser'$"):
        BaselineCNN.small(encoder="blocks", weights=START, epochs=1, progress=False).fit(faces())
    with pytest.raises(ValueError, match=r"^zoo:cnn-small does not fit the recogniser's network: [^\n]*$"):
        ResNetClassifier.small(classifier="recogniser", weights="zoo:cnn-small", epochs=1, progress=False).fit(faces())
    with pytest.raises(ValueError, match="'recogniser' has one build"):
        ResNetClassifier.small(small_stem=True, epochs=1, progress=False).fit(faces())
    with pytest.raises(ValueError, match="encoder='resnet'"):
        BaselineCNN.small(encoder="resnet", epochs=1, progress=False).fit(faces())
