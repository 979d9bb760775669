"""What a fitted system can do, as types: ``isinstance(system, Transfers)``.

A system has a capability by having its method; there is nothing to register. Whoever uses systems asks for these types
and never for the name of a method or of its arguments.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike

from ferdis.faces import Faces


@runtime_checkable
class Transfers(Protocol):
    """Puts the expressions of some faces on the people of others: REL-GAN, DECGAN."""

    def transfer(self, faces: Faces, references: Faces) -> np.ndarray:
        """The person of each face with the expression of its reference, row by row: uint8 (n, S, S, 3)."""


@runtime_checkable
class EditsActionUnits(Protocol):
    """Gives faces the action units that it is asked for: EGGAN."""

    def edit(self, faces: Faces, au: ArrayLike) -> np.ndarray:
        """The faces with action units (n, 17) in 0..5, NaN = as it likes: uint8 (n, S, S, 3)."""


@runtime_checkable
class Averages(Protocol):
    """Draws an average person with the expression of each face: IF-GAN."""

    def average(self, faces: Faces) -> np.ndarray:
        """The average person with each face's expression: uint8 (n, S, S, 3)."""


@runtime_checkable
class Synthesizes(Protocol):
    """Draws faces, whatever it does to them; other arguments than the faces differ from system to system."""

    def synthesize(self, faces: Faces, *args: Any, **kwargs: Any) -> np.ndarray:
        """Images made of the faces: uint8 (n, S, S, 3)."""


@runtime_checkable
class Reconstructs(Protocol):
    """Draws faces again from what it has read of them."""

    def reconstruct(self, faces: Faces) -> np.ndarray:
        """The same faces with their own expressions: uint8 (n, S, S, 3)."""


@runtime_checkable
class Represents(Protocol):
    """Has a representation of faces: the features that its classifier reads."""

    def transform(self, faces: Faces) -> np.ndarray:
        """Features (n, d)."""


@runtime_checkable
class RepresentsIdentity(Protocol):
    """Has a representation of who somebody is, apart from the expression: REL-GAN."""

    def identity_code(self, faces: Faces) -> np.ndarray:
        """Identity codes (n, d)."""


@runtime_checkable
class Embeds(Protocol):
    """Embeds faces so that images of one person lie near each other: identity judges, published face networks."""

    def embed(self, pictures: Any) -> np.ndarray:
        """Embeddings (n, d) of unit length, of Faces or uint8 (n, H, W, 3)."""


@runtime_checkable
class NamesExpressions(Protocol):
    """Says how probable each expression is: all classifiers."""

    def predict_proba(self, faces: Faces) -> np.ndarray:
        """Probabilities (n, K) in the order of ``classes_``."""


@runtime_checkable
class UsesReference(Protocol):
    """Wants images of the people that it is asked about; only a calibrated protocol gives them.

    ``uses_reference`` says whether it does; its ``predict_proba`` then takes ``reference=Faces``.
    """

    uses_reference: bool


@runtime_checkable
class StatesItsError(Protocol):
    """Knows how far to trust it: judges, the AU estimator."""

    @property
    def own(self) -> str:
        """Its error on people that it never saw, in words."""


@runtime_checkable
class Describes(Protocol):
    """Says with which parameters it was made, and what a reader of its figures must know."""

    def describe(self) -> dict[str, Any]:
        """Parameters as plain records, and ``notes``."""


@runtime_checkable
class Saves(Protocol):
    """Can be written to a folder, and read back by its class's ``load``."""

    def save(self, folder: Any) -> Any:
        """Write it into ``folder``."""


@runtime_checkable
class Splits(Protocol):
    """Deals faces into folds: a protocol."""

    def split(self, faces: Faces) -> Any:
        """The folds."""


@runtime_checkable
class EstimatesItsTime(Protocol):
    """Knows how long its ``fit`` takes."""

    def estimate_seconds(self, faces: Faces) -> float:
        """Seconds of a fit on ``faces``."""


@runtime_checkable
class ChecksItself(Protocol):
    """Can say before a fit that it would fail whatever the faces are."""

    def check(self) -> None:
        """Raise ValueError or FileNotFoundError if it would."""


@runtime_checkable
class StretchesTraining(Protocol):
    """Trains for more epochs than it was told where there are few faces."""

    def training_epochs(self, images: float) -> int:
        """Epochs that ``fit`` trains on so many faces."""


@runtime_checkable
class RemarksOnSize(Protocol):
    """Trains otherwise where there are few faces: fewer steps, another start."""

    def remarks(self, images: float) -> list[str]:
        """What a ``fit`` on so many faces does and would not do on more; a line each."""


@runtime_checkable
class Wraps(Protocol):
    """Fits a clone of another system and little besides: it takes as long, and what is said of that one's fit holds."""

    @property
    def wrapped(self) -> Any:
        """The other system, not fitted."""


def innermost(system: Any) -> Any:
    """What a wrapper around a wrapper wraps; any other system itself."""
    while isinstance(system, Wraps):
        system = system.wrapped
    return system


def uses_reference(system: Any) -> bool:
    """Whether a system declares that it wants images of the test people."""
    return isinstance(system, UsesReference) and bool(system.uses_reference)


DRAWS_FACES = (Transfers, EditsActionUnits, Averages, Synthesizes)
"""For ``isinstance``: any system that makes images."""


def frame_side(system: Any, drawn: int) -> int:
    """Side of the images of which a system draws the centre crops, its ``image_size``; ``drawn`` where it crops none.

    Parameters
    ----------
    system : with an ``image_size``, or without one: it then draws whole images.
    drawn : side of the images that it draws.
    """
    return max(int(getattr(system, "image_size", drawn)), drawn)
