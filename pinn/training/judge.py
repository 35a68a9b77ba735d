"""What a run is judged against: a reference that was given, else that of its problem."""

from collections.abc import Mapping
from typing import Any

import torch

from pinn.assessment.scores import instant_by_instant
from pinn.base.console import say
from pinn.base.paths import MissingFileError
from pinn.geometry.measurements import SUPPLY, saved
from pinn.physics.given_reference import check_reference, given_reference
from pinn.physics.references import Reference
from pinn.solution.solution import Solution

KEYS = ("at", "values", "judged", "shape", "source", "inside")


class Judge:
    """The reference of each stage of a run.

    Args:
        solution: of the problem whose reference is taken where none is given.
        given: a reference for the last stage, see `given_reference`; None for that of the problem.

    Raises:
        ValueError: what is given cannot be compared with the problem.
    """

    def __init__(self, solution: Solution, given: Any) -> None:
        self.solution, self.problem = solution, solution.problem
        self.given: Reference | None = None
        if given is None:
            return
        try:
            self.given = given_reference(self.problem, given)
            self.check_instants(self.given)
        except MissingFileError as error:
            supply = SUPPLY.get()
            if supply is None or supply.reference is None:
                raise
            self.restore(supply.reference)
            say(f"note      {error}: taking the reference of the checkpoint")

    def reference(self, stage: int) -> Reference | None:
        """What the solution of a stage is compared with."""
        last = stage == len(self.problem.stages) - 1
        return self.given if last and self.given is not None else self.problem.judged_by()

    def saved(self) -> dict[str, Any] | None:
        """The given reference, as plain data."""
        if self.given is None:
            return None
        parts = {name: getattr(self.given, name) for name in KEYS}
        return parts | {"values": dict(parts["values"]), "shape": list(parts["shape"])}

    def check_instants(self, reference: Reference) -> None:
        """Refuse what is known up to a function of time, and has one point per instant.

        Raises:
            ValueError: the reference has such a component.
        """
        for name, values in reference.values.items():
            constant = self.solution.constant_of(*self.problem.component_places[name])
            if constant is not None and constant.along:
                instants = reference.at[:, list(constant.along)]
                instant_by_instant(values, reference.judged, instants)

    def state(self) -> dict[str, Any]:
        """What the files of a run have brought into it, for its checkpoints."""
        return {"measured": saved(self.problem.geometry.measurements), "reference": self.saved()}

    def restore(self, saved: Mapping[str, Any] | None) -> None:
        """Take the reference of a checkpoint, where no other is given."""
        if saved is not None and self.given is None:
            parts = {**saved, "shape": tuple(saved["shape"])}
            self.given = Reference(**{name: parts[name] for name in KEYS})
            check_reference(self.problem, self.given, f"the reference {self.given.source}")

    def change(self, saved: Mapping[str, Any] | None) -> list[str]:
        """What is said of a reference that is not the one of a checkpoint."""
        if saved is None or self.given is None or same(saved, self.saved()):
            return []
        return [
            f"resuming with another reference: {self.given.source}, {len(self.given.at)} points, "
            f"where the saved run had {saved['source']}, {len(saved['at'])} points"
        ]


def same(one: Any, other: Any) -> bool:
    """Whether two pieces of plain data are equal, NaN with NaN."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.shape == other.shape and bool(torch.allclose(one, other, 0, 0, equal_nan=True))
    return bool(one == other)
