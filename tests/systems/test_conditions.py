"""What a generator is told of a face, by hand."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from ferdis.faces import AU_COLUMNS, Faces
from ferdis.systems.conditions import Condition, condition_loss, with_mask

NAN = float("nan")


def people(expression: list[str], **units: list[float]) -> Faces:
    table = pd.DataFrame({"expression": expression, **units})
    return Faces(np.zeros((len(table), 2, 2, 3), np.uint8), table)


def test_units_are_told_as_shares_of_five_beside_which_are_known() -> None:
    rows = torch.tensor([[5.0, 2.0, NAN], [0.0, NAN, 1.0]])
    told = with_mask(rows, "action_units")
    torch.testing.assert_close(told, torch.tensor([[1, 0.4, 0, 1, 1, 0], [0, 0, 0.2, 1, 0, 1]]))
    one_hot = torch.eye(3)
    assert with_mask(one_hot, "expressions").equal(one_hot)


def test_the_distance_is_a_mean_over_what_is_coded() -> None:
    found, rows = torch.tensor([[1.0, 7.0], [2.0, 3.0]]), torch.tensor([[2.0, NAN], [NAN, 0.0]])
    assert condition_loss(found, rows, "action_units").item() == pytest.approx((1 + 9) / 2)
    assert condition_loss(found, torch.full((2, 2), NAN), "action_units").item() == 0
    chances = torch.tensor([[0.2, 0.8], [0.5, 0.5]])
    loss = condition_loss(chances.log(), torch.tensor([[0.0, 1.0], [1.0, 0.0]]), "expressions")
    assert loss.item() == pytest.approx(-(np.log(0.8) + np.log(0.5)) / 2)


def test_expressions_are_sorted_and_one_hot() -> None:
    condition, rows = Condition.learned_from("expressions", people(["fear", "anger", "sadness", "anger"]))
    assert condition.classes == ("anger", "fear", "sadness") and condition.width == condition.told_width == 3
    assert rows.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert condition.of(people(["sadness"])).tolist() == [[0, 0, 1]]
    with pytest.raises(ValueError, match="no training face shows 'happiness': there are anger, fear, sadness"):
        condition.of(people(["happiness"]))
    named, rows = Condition.learned_from("expressions", people(["fear", "anger"]), ["b", "a"])
    assert named.classes == ("a", "b") and rows.tolist() == [[0, 1], [1, 0]] and rows.dtype == np.float32
    with pytest.raises(ValueError, match="2 training faces show 1 expression: two are needed"):
        Condition.learned_from("expressions", people(["fear", "fear"]))
    with pytest.raises(ValueError, match="it learned expressions, not action units"):
        condition.asked({"AU01": 1.0}, people(["fear"]))


def test_a_mapping_changes_what_it_names_and_a_record_gives_the_condition_back() -> None:
    faces = people(["fear", "anger"], AU01=[1.0, 2.0], AU04=[3.0, NAN])
    condition, rows = Condition.learned_from("action_units", faces)
    assert (condition.coded, condition.always) == (("AU01", "AU04"), ("AU01",))
    assert (condition.width, condition.told_width) == (17, 34)
    first, fourth = AU_COLUMNS.index("AU01"), AU_COLUMNS.index("AU04")
    asked = condition.asked({"AU01": 4.5}, faces)
    np.testing.assert_array_equal(asked[:, [first, fourth]], [[4.5, 3.0], [4.5, NAN]])
    np.testing.assert_array_equal(condition.of(faces), rows)
    lacking = people(["fear"], AU04=[3.0])
    for ask in (lambda: condition.of(lacking), lambda: condition.asked({"AU04": 1.0}, lacking)):
        with pytest.raises(ValueError, match="AU01"):
            ask()
    with pytest.raises(ValueError, match="AU12 cannot be asked for"):
        condition.asked({"AU12": 1.0}, faces)
    assert Condition.from_record(json.loads(json.dumps(condition.record()))) == condition
