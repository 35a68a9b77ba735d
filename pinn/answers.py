"""What a solution is asked for besides its values: tables, grids, programs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pinn.evaluation import Evaluation, evaluate_at, evaluate_on_grid
from pinn.export.program import export

if TYPE_CHECKING:
    from pinn.solution import Solution


class Answers:
    """The part of a solution that users call, and nothing in training does."""

    def at(self, points: Any, derivatives: Sequence[str] = ()) -> Evaluation:
        """The values at points of any form, by component, with any derivative by its name.

            there = solution.at(points)
            there["u"], there["u.x"], there.vorticity()      like `solution(points)`
            there.to_csv("probes.csv")

        Args:
            points: as for a call of the solution.
            derivatives: what is evaluated at once and written to files besides the unknowns:
                `u.x`, `u.xy`, `p.laplacian`, `divergence`, `vorticity`.

        Raises:
            ValueError: a point is none, or a derivative means nothing here.
        """
        return evaluate_at(cast("Solution", self), points, derivatives)

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
        return evaluate_on_grid(cast("Solution", self), per_axis, derivatives, axes)

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
        export(cast("Solution", self), path, derivatives)
