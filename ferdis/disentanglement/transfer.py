"""Expression transfers measured against the exact truth and with judges.

For sources and targets of unseen people, the transfer is compared, inside the renderer's masks of eyes, brows and
mouth, with the exact counterpart (the target's person, pose and light with the source's expression); one judge
predicts its expression; another says whether it is nearer to the target's person or to the source's. The same figures
for the system's own reconstruction of the *target* are reported beside: a transfer must beat doing nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ferdis.capabilities import Reconstructs, Transfers, frame_side
from ferdis.disentanglement.representations import swap_pairs
from ferdis.evaluators.judges import ExpressionJudge, IdentityJudge, Judged
from ferdis.faces import Faces
from ferdis.systems.classifier import resized

__all__ = ["REGIONS", "Transfer", "measure_transfer", "region_distance"]

REGIONS = ("eyes", "brows", "mouth")


@dataclass(frozen=True)
class Transfer:
    """The result of :func:`measure_transfer`; distances are L1 in [-1, 1], inside the regions, to the counterpart.

    Attributes
    ----------
    pairs : int
        Number of transfers.
    distance : float
        Distance of the transfer.
    distance_identity_baseline : float
        Distance of the system's reconstruction of the target, which has the target's expression.
    distance_oracle : float
        Distance of the system's reconstruction of the counterpart itself: the best its decoder can do.
    distance_of_the_target : float
        Distance of the target's own pixels.
    expression : float
        Share of transfers in which the judge predicts the source's expression.
    expression_of_truth : float
        The same on the true counterparts: the upper bound.
    expression_doing_nothing : float
        The same on the reconstructions of the target.
    identity : float
        Share of transfers nearer to other images of the target's person than to other images of the source's.
    identity_of_truth : float
        The same on the true counterparts.
    expression_judge, identity_judge : str
        The judges' own errors on held-out people.
    """

    pairs: int
    distance: float
    distance_identity_baseline: float
    distance_oracle: float
    distance_of_the_target: float
    expression: float
    expression_of_truth: float
    expression_doing_nothing: float
    identity: float
    identity_of_truth: float
    expression_judge: str
    identity_judge: str

    @property
    def gain(self) -> float:
        """Relative reduction of the distance against doing nothing: 1 - distance / distance_identity_baseline."""
        return 1 - self.distance / self.distance_identity_baseline

    @property
    def expression_share(self) -> float:
        """The judge's rate on transfers as a share of its rate on true counterparts."""
        return self.expression / self.expression_of_truth if self.expression_of_truth else float("nan")

    def record(self) -> dict[str, Any]:
        """Everything by name, with ``gain`` and ``expression_share``."""
        return {**asdict(self), "gain": self.gain, "expression_share": self.expression_share}

    def __str__(self) -> str:
        read = Judged(self.expression, self.expression_judge)
        whose = Judged(self.identity, self.identity_judge)
        return "\n".join(
            [
                f"{self.pairs} transfers; L1 to the true counterpart inside eyes, brows and mouth: "
                f"{self.distance:.3f}, {100 * self.gain:.0f} % below doing nothing "
                f"({self.distance_identity_baseline:.3f}); given the truth itself: {self.distance_oracle:.3f}",
                f"source's expression read: {read}; on true counterparts {100 * self.expression_of_truth:.1f} %, "
                f"so {100 * self.expression_share:.0f} % of that; doing nothing "
                f"{100 * self.expression_doing_nothing:.1f} %",
                f"nearer to the target's person: {whose}; on true counterparts {100 * self.identity_of_truth:.1f} %",
            ]
        )


def measure_transfer(
    estimator: Transfers,
    faces: Faces,
    *,
    counterpart: Callable[[Faces, Faces], Faces],
    region_masks: Callable[[Faces], Mapping[str, np.ndarray]],
    expressions: ExpressionJudge,
    identities: IdentityJudge,
    seed: int = 0,
) -> Transfer:
    """Transfer expressions between unseen people, and measure the results.

    Parameters
    ----------
    estimator : fitted estimator
        With ``transfer(faces, references)`` and, optionally, ``reconstruct(faces)``.
    faces : Faces
        Synthetic people that neither the system nor the judges have seen, two or more images of each.
    counterpart : function
        ``(faces, references) -> Faces``: the exact truth.
    region_masks : function
        ``faces -> {region: (n, H, W) bool}``, of which eyes, brows and mouth are used. A pixel counts if it lies in a
        region of the counterpart or of the target, so that a mouth that should have closed counts too.
    expressions, identities : ExpressionJudge, IdentityJudge
        Trained on other people.
    seed : int
        Of the pairs.

    Raises
    ------
    ValueError
        If a judge was trained on one of the people, there are no pairs, or a person has a single image.
    """
    for judge in (expressions, identities):
        judge.refuse_overlap(faces)
    rows, targets = swap_pairs(faces, seed)
    references, onto = faces[rows], faces[targets]
    truth = counterpart(onto, references)
    made, nothing, best = estimator.transfer(onto, references), _redrawn(estimator, onto), _redrawn(estimator, truth)
    side = made.shape[1]
    crops = {name: crop_of(these, estimator, side) for name, these in (("truth", truth), ("target", onto))}
    masks = _masks(region_masks, truth, onto, estimator, side)
    persons = identities.embed(crop_of(faces, estimator, side))
    home, away = _others(persons, faces.subject, targets), _others(persons, faces.subject, rows)
    wanted = references.expression

    def read(images: np.ndarray) -> float:
        return expressions.agreement(images, wanted).value

    def nearer(images: np.ndarray) -> float:
        return identities.nearer(identities.embed(images), home, away).value

    return Transfer(
        pairs=len(made),
        distance=region_distance(made, crops["truth"], masks),
        distance_identity_baseline=region_distance(nothing, crops["truth"], masks),
        distance_oracle=region_distance(best, crops["truth"], masks),
        distance_of_the_target=region_distance(crops["target"], crops["truth"], masks),
        expression=read(made),
        expression_of_truth=read(crops["truth"]),
        expression_doing_nothing=read(nothing),
        identity=nearer(made),
        identity_of_truth=nearer(crops["truth"]),
        expression_judge=expressions.own,
        identity_judge=identities.own,
    )


def region_distance(images: np.ndarray, truth: np.ndarray, masks: np.ndarray) -> float:
    """Mean L1 distance, in the range [-1, 1], of uint8 images (n, S, S, 3) inside masks (n, S, S) bool.

    Every image has equal weight, however large its regions; images with an empty mask are left out.
    """
    apart = np.abs(images.astype(np.float64) - truth.astype(np.float64)).mean(axis=3) / 127.5
    inside = masks.sum(axis=(1, 2))
    if not inside.any():
        raise ValueError("the masks are empty: no region lies inside the systems' crop")
    each = (apart * masks).sum(axis=(1, 2))[inside > 0] / inside[inside > 0]
    return float(each.mean())


def _redrawn(estimator: Transfers, faces: Faces) -> np.ndarray:
    """Each face with its own expression, as the system draws it."""
    return estimator.reconstruct(faces) if isinstance(estimator, Reconstructs) else estimator.transfer(faces, faces)


def crop_of(faces: Faces, estimator: Any, side: int) -> np.ndarray:
    """The pixels that correspond to a system's images: the centre (n, side, side, 3) of its ``image_size``."""
    size = frame_side(estimator, side)
    start = (size - side) // 2
    return np.asarray(resized(faces, size)[np.arange(len(faces))])[:, start : start + side, start : start + side]


def _masks(
    region_masks: Callable[[Faces], Mapping[str, np.ndarray]], truth: Faces, target: Faces, estimator: Any, side: int
) -> np.ndarray:
    """Eyes, brows and mouth of both faces, in the frame of the system's images: (n, side, side) bool."""
    found = [masks[name] for masks in (region_masks(truth), region_masks(target)) for name in REGIONS]
    whole = np.logical_or.reduce(found)
    size = frame_side(estimator, side)
    nearest = ((np.arange(size) + 0.5) * whole.shape[1] / size).astype(int)
    start = (size - side) // 2
    kept = nearest[start : start + side]
    return whole[:, kept][:, :, kept]


def _others(embeddings: np.ndarray, subject: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """For each row the mean embedding of the person's *other* images, normalised to unit length.

    The image itself shares pose, light and background with the transfer and would be recognised by them.
    """
    total = {name: embeddings[subject == name].sum(axis=0) for name in np.unique(subject)}
    for row in rows:
        if (subject == subject[row]).sum() < 2:
            raise ValueError(f"{subject[row]} has one image only: identity is compared with another one")
    mean = np.stack([total[subject[row]] - embeddings[row] for row in rows])
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)
