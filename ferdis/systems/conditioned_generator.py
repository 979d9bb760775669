"""What StarGAN, IcGAN and HomoInterpGAN share: they learn a condition, remark on what faces lack of it, and keep it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferdis.faces import Faces
from ferdis.systems.action_units import remarks_on_gaps
from ferdis.systems.arguments import check_choice
from ferdis.systems.base import Estimator, TrainingSet, resized
from ferdis.systems.conditions import CONDITIONS, Condition


class ConditionedGenerator(Estimator):
    """Base of generators that learn from action units or from expressions; subjects are not needed.

    Attributes
    ----------
    condition_ : Condition
        What it learned to be told.
    """

    condition: str
    condition_: Condition

    def _check_parameters(self) -> None:
        check_choice("condition", self.condition, CONDITIONS)

    def _training_set(self, faces: Faces, y: Any) -> TrainingSet:
        """Images, and the rows of the condition as labels, (n, width) float32."""
        self.condition_, rows = Condition.learned_from(self.condition, faces, y)
        self.notes_ += remarks_on_gaps(rows)
        return TrainingSet(images=resized(faces, self.image_size), labels=rows, faces=faces)

    def _fitted_state(self) -> dict[str, Any]:
        return {"condition": self.condition_.record()}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.condition_ = Condition.from_record(state["condition"])
