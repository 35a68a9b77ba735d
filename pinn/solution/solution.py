"""A solution: a problem with the networks that represent its unknowns, as users ask it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from pinn.algebra.channels import Plan
from pinn.solution.evaluation import Evaluation, evaluate, evaluate_on_grid
from pinn.solution.exported_program import export
from pinn.solution.quantities import QuantityValue, quantity_values
from pinn.solution.queries import NONE, Query, beside, is_traced, query, warn_outside
from pinn.solution.representation import Representation


class Solution(Representation):
    """uₖ(x) = ansatz(network(x))ₖ, with every derivative a residual may read.

    Args:
        problem: states the unknowns, the domain and the ansatz.
        network: one network for all unknowns, in declared order, or one per unknown.

    Raises:
        ValueError: networks are given for some unknowns only, or for names that are none.
    """

    @torch.no_grad()
    def forward(self, points: Any, **parameters: Any) -> dict[str, Any]:
        """The values of the unknowns at points (…, D), gauges applied; no derivatives.

        Args:
            points: a tensor, a NumPy array, nested lists, or a column per coordinate: a dict or a
                data frame. They are evaluated in the solution's own precision.
            **parameters: of a problem with `ranges`, those that the points have no column for:
                `solution(points, reynolds=40)`, a number or one for each point.

        Returns:
            name → (…) for a scalar, (…, C) for a vector, in the solution's precision: tensors, on
            the device of the points, where tensors were given, and else NumPy arrays.

        Raises:
            TypeError: the points are not real numbers.
            ValueError: they have another number of coordinates, or one that is not finite.
        """
        if is_traced():  # all points in one graph
            points = beside(points, self.problem.geometry.coordinates, parameters)
            fields, _ = self.gauged_fields(points, self.plans(Plan()), self.offsets(points))
            return {name: field.value for name, field in fields.items()}
        asked = self.query(points, parameters)
        return {name: asked.answer(v) for name, v in evaluate(self, asked.at, ())[0].items()}

    def query(self, points: Any, parameters: Mapping[str, Any] = NONE) -> Query:
        """Points of any form as (N, D), checked."""
        asked = query(points, self.problem.geometry.coordinates, parameters)
        self.check_precision(asked.at)
        warn_outside(self.problem.geometry, self.networks.values(), asked.at)
        return asked

    def at(self, points: Any, derivatives: Sequence[str] = (), **parameters: Any) -> Evaluation:
        """The values at points of any form, by component, with any derivative by its name.

            there = solution.at(points)
            there["u"], there["u.x"], there.vorticity()      like `solution(points)`
            there.to_csv("probes.csv")

        Args:
            points: as for a call of the solution.
            derivatives: what is evaluated at once and written to files besides the unknowns:
                `u.x`, `u.xy`, `p.laplacian`, `divergence`, `vorticity`.
            **parameters: as for a call of the solution.

        Raises:
            ValueError: a point is none, or a derivative means nothing here.
        """
        return Evaluation(self, self.query(points, parameters), derivatives)

    def on_grid(
        self, per_axis: Any = None, derivatives: Sequence[str] = (), **axes: Any
    ) -> Evaluation:
        """The values on a regular grid over the domain, as NumPy arrays.

            solution.on_grid(50)["p"]                       (50, 50)
            solution.on_grid((50, 80)), solution.on_grid(50, y=80)
            solution.on_grid(50, t=2.0)                     at one instant: no axis for it
            solution.on_grid(50, t=[0.0, 0.5, 1.0])

        Args:
            per_axis: a whole number of points for every axis, or one entry per axis.
            derivatives: as for `at`.
            **axes: for single coordinates: a whole number of points, ends included; a position,
                with a decimal point; or positions.

        Raises:
            ValueError: an axis has no points, or a derivative means nothing here.
        """
        return evaluate_on_grid(self, per_axis, derivatives, axes)

    def quantities(self, **at: float) -> dict[str, QuantityValue]:
        """The quantities of the problem now, by name, gauges applied.

            drag = solution.quantities()["drag_coefficient"]
            drag.value, drag.reference, drag.error          5.58, 5.5795, 1e-4

        The integrals are taken with twice the points until they stay to 1e-6; `change` says how
        well they do. A quantity that fails has the value NaN, and says why in `failure`.

        Args:
            **at: an instant, t=2.0, in place of all times, and values of parameters that have a
                range, reynolds=40, in place of the middle.
        """
        return quantity_values(self, at)

    def export(self, path: str | Path, derivatives: Sequence[str] = ()) -> None:
        """The solution as a program that runs without this package, for any number of points.

            solution.export("flow.pt2", derivatives=("vorticity", "u.x"))
            torch.export.load("flow.pt2").module()(points)["vorticity"]      torch alone

        Ansatz, gauges and derivatives are part of it. Points (N, D) and values are in the
        solution's precision. The program is held against the solution before it is written.

        Args:
            path: `.pt2`, a program of torch.export, or `.onnx`: input `points`, an output per name.
            derivatives: what it gives besides the unknowns, named as in `at`.

        Raises:
            ValueError: another ending, or a derivative means nothing here.
            ModuleNotFoundError: onnx or onnxscript is missing.
            ExportError: an operation cannot be exported, or the program gives other numbers.
        """
        export(self, path, derivatives)
