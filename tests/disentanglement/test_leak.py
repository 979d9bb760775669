"""Records of the leak: with what the probes say, and for strangers that cannot be told apart."""

from __future__ import annotations

import numpy as np

from ferdis.disentanglement.leak import leak_records
from ferdis.faces import Faces
from tests.painted import Painter, painted


def test_identity_is_read_in_every_way_where_it_is_and_not_where_it_is_not() -> None:
    expression, identity = leak_records("painter", Painter(), painted(people=8, each=4))
    assert (expression["representation"], identity["representation"]) == (
        "expression representation",
        "identity representation",
    )
    assert identity["identity_mlp"] > 0.9 and expression["identity_mlp"] < 0.35
    assert identity["verification_auc"] > 0.95 and expression["verification_auc"] < 0.65
    assert identity["people_told_apart"] > 6 and expression["people_told_apart"] < 1.5
    assert identity["verification_eer"] < 0.1 and {"identity", "expression", "note"} <= set(identity)


def test_one_person_leaks_nothing_that_could_be_measured() -> None:
    data = painted(people=4, each=4)
    _, first = np.unique(data.subject, return_index=True)  # one image of each person, and all of one of them
    alone = data[np.union1d(first, np.flatnonzero(data.subject == data.subject[0]))]
    record = leak_records("painter", Painter(), alone)[0]
    assert np.isnan([record[name] for name in ("identity_mlp", "verification_auc", "people_told_apart")]).all()
    assert record["expression"] > 0


def test_the_small_network_reads_what_no_straight_line_separates() -> None:
    """Two people at the corners of a square, crosswise: a logistic regression sees neither."""
    faces = painted(people=2, each=12)
    corner = np.random.default_rng(0).integers(0, 2, len(faces))
    other = corner ^ (faces.subject == faces.subject[0])

    class Crosswise:
        def transform(self, given: Faces) -> np.ndarray:
            return 2.0 * np.stack([corner, other], 1) - 1

    (record,) = leak_records("crosswise", Crosswise(), faces)
    assert record["identity_mlp"] > 0.9 and record["identity"] < 0.8
