"""Evaluations: a solution at points or on a grid, with derivatives, and as files."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pinn.export.tables import write_csv, write_npz, xarray_dataset
from pinn.export.vtk import Values, write_vtk
from pinn.physics.references import inside_of, spread_over
from pinn.solution.named_derivatives import NamedDerivative, named_derivatives, plan_of
from pinn.solution.queries import Query, evaluating, positions, spread, warn_outside
from pinn.solution.representation import Representation

MOST = 2 * 10**8  # points of a grid


class Evaluation(Mapping[str, Any]):
    """The values of a solution at points, by component, and any derivative by its name.

        grid = solution.on_grid(50)
        grid["u"], grid["u.x"], grid["vorticity"]        arrays (50, 50)
        grid.axes["x"], grid.points                      (50,), (50, 50, 2)
        grid.to_vtk("flow.vti")

    Args:
        solution: what was evaluated.
        asked: where.
        axes: of a grid, every coordinate's positions; None for scattered points.
        fixed: of a grid, the coordinates that have one position and no axis in the arrays.
        inside: of a grid, which of its points belong to the domain; None if all do. The others have
            no values: NaN in arrays, and in files for grids; tables and `.vtu` leave them out.
        derivatives: those that are evaluated at once, and written to files; any other one is
            evaluated when it is asked for.
    """

    def __init__(
        self,
        solution: Representation,
        asked: Query,
        derivatives: Sequence[str] = (),
        axes: Mapping[str, np.ndarray] | None = None,
        fixed: Sequence[str] = (),
        inside: Tensor | None = None,
    ) -> None:
        self.solution, self.asked, self.inside = solution, asked, inside
        self.positions, self.fixed = axes, tuple(fixed)
        self.flat, self.extra = self.evaluated(named_derivatives(derivatives, solution))
        self.sizes = sizes(solution, asked.at if inside is None else asked.at[inside])
        self.parts = solution.problem.by_component(self.flat) | self.extra

    @property
    def axes(self) -> dict[str, np.ndarray]:
        """The positions along each axis of the arrays; none for scattered points."""
        axes = self.positions or {}
        return {name: axis for name, axis in axes.items() if name not in self.fixed}

    @property
    def points(self) -> Any:
        """Where: (…, D)."""
        return self.asked.answer(self.asked.at)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the arrays."""
        return self.asked.shape

    @property
    def values(self) -> dict[str, Any]:  # type: ignore[override]
        """Component → (…), the derivatives evaluated at first included."""
        return dict(self.items())

    def __getitem__(self, name: str) -> Any:
        return self.asked.answer(self.parts[name] if name in self else self.later(name)[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.parts)

    def __len__(self) -> int:
        return len(self.parts)

    def __contains__(self, name: object) -> bool:
        return name in self.parts

    def __repr__(self) -> str:
        where = ", ".join(f"{name} {len(axis)}" for name, axis in self.axes.items())
        return f"Evaluation({', '.join(self)}; {where or f'points {self.shape}'})"

    def gradient(self, component: str) -> Any:
        """∇ of a component over space: (…, D)."""
        coordinates = self.solution.problem.geometry.coordinates
        values = self.later(*(f"{component}.{coordinates.names[i]}" for i in coordinates.space))
        return self.asked.answer(torch.stack([*values.values()], dim=-1))

    def divergence(self, unknown: str | None = None) -> Any:
        """∇· of a vector: (…)."""
        return self["divergence" if unknown is None else f"{unknown}.divergence"]

    def vorticity(self, unknown: str | None = None) -> Any:
        """∇× of a vector: (…) in the plane, (…, 3) in space."""
        return self["vorticity" if unknown is None else f"{unknown}.vorticity"]

    def laplacian(self, component: str) -> Any:
        """∇² of a component: (…)."""
        return self[f"{component}.laplacian"]

    def evaluated(
        self, wanted: Sequence[NamedDerivative]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The unknowns and some quantities at all points; NaN outside of the domain."""
        if self.inside is None:
            return evaluate(self.solution, self.asked.at, wanted)
        flat, extra = evaluate(self.solution, self.asked.at[self.inside], wanted)
        whole = (
            {n: spread_over(self.inside, v) for n, v in some.items()} for some in (flat, extra)
        )
        return next(whole), next(whole)

    def later(self, *names: str) -> dict[str, Tensor]:
        """Derivatives that were not evaluated at first.

        Raises:
            RuntimeError: the solution has changed since.
        """
        wanted = named_derivatives(names, self.solution)
        if len(self.asked.at):
            few: Any = slice(None, None, max(len(self.asked.at) // 3, 1))
            if self.inside is not None:
                few = self.inside.nonzero()[:, 0][:: max(int(self.inside.sum()) // 3, 1)]
            now, _ = evaluate(self.solution, self.asked.at[few], [])
            for unknown, value in self.flat.items():
                # A gauge may have taken a constant away, whose digits are lost.
                lost = 64 * torch.finfo(value.dtype).eps * self.sizes[unknown]
                if not torch.allclose(now[unknown], value[few], rtol=1e-6, atol=1e-9 + lost):
                    raise RuntimeError(
                        "the solution has changed since it was evaluated here: evaluate it again"
                    )
        return self.evaluated(wanted)[1]

    def columns(self) -> dict[str, np.ndarray]:
        """Coordinate, component or derivative → (N,), points one after the other."""
        names = self.solution.problem.coordinates
        table = dict(zip(names, self.asked.at.T.numpy(force=True), strict=True))
        for name, tensor in self.parts.items():
            values = tensor.numpy(force=True)
            if values.ndim > 1:  # the vorticity in space
                table |= {f"{name}_{names[i]}": values[:, i] for i in range(values.shape[1])}
            else:
                table[name] = values
        return table

    def to_csv(self, path: str | Path) -> None:
        """A table: a column per coordinate, component and derivative, all digits.

        Points of a grid outside of the domain have no row.
        """
        kept = slice(None) if self.inside is None else self.inside.numpy(force=True)
        write_csv(path, {name: column[kept] for name, column in self.columns().items()})

    def to_npz(self, path: str | Path) -> None:
        """NumPy arrays by name: of a grid its axes and arrays in its shape, else columns."""
        write_npz(path, self.positions, self.columns(), self.shape)

    def to_xarray(self) -> Any:
        """An xarray.Dataset, with the axes of a grid as its dimensions, else `point`.

        Raises:
            ModuleNotFoundError: xarray is not installed.
        """
        names = self.solution.problem.coordinates
        return xarray_dataset(self.axes, self.columns(), self.shape, names)

    def to_vtk(self, path: str | Path) -> None:
        """A file for ParaView, read without any plug-in; vectors have three components.

        Args:
            path: `.vti` (evenly spaced grid), `.vtr` (any grid), `.vtu` (scattered points, or a
                grid as cells), or `.pvd`: one file per instant beside it.

        Raises:
            ValueError: the kind of file cannot hold this.
        """
        problem = self.solution.problem
        arrays = {n: v.numpy(force=True) for n, v in (self.flat | self.extra).items()}
        parts = {n: problem.components(n) for n in self.flat if not problem.is_scalar(n)}
        coordinates, at = problem.geometry.coordinates, self.asked.at.numpy(force=True)
        inside = None if self.inside is None else self.inside.numpy(force=True)
        write_vtk(path, Values(coordinates, at, self.positions or {}, arrays, parts, inside))

    def to_netcdf(self, path: str | Path) -> None:
        """The data set of `to_xarray` as a file."""
        self.to_xarray().to_netcdf(path)

    def save(self, path: str | Path) -> None:
        """A file of the kind that its name ends with: csv, npz, nc, vti, vtr, vtu or pvd."""
        kinds = {".csv": self.to_csv, ".npz": self.to_npz, ".nc": self.to_netcdf}
        kinds.get(Path(path).suffix.lower(), self.to_vtk)(path)


@torch.no_grad()
def evaluate(
    solution: Representation, at: Tensor, wanted: Sequence[NamedDerivative]
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The unknowns and some derivatives at points (N, D), gauges applied, a part at a time."""
    plan = plan_of(wanted)
    plans = solution.plans(plan)
    rows = 1 + max(len(p.channels) for p in plans.values())
    flat, extra = [], []
    with evaluating(solution):
        offsets = solution.offsets(at, plan.order)
        for piece in solution.placed(at, rows):
            fields, _ = solution.gauged_fields(piece, plans, offsets)
            flat.append({n: f.value.detach().to(at.device) for n, f in fields.items()})
            extra.append({q.name: q.of(fields).value.detach().to(at.device) for q in wanted})
    return joined(flat), joined(extra)


@torch.no_grad()
def sizes(solution: Representation, at: Tensor) -> dict[str, float]:
    """How large the unknowns are before any gauge, at some of the points (N, D)."""
    if not len(at):
        return dict.fromkeys(solution.problem.unknowns, 0.0)
    with evaluating(solution):
        values = solution.values(next(solution.placed(at[:: max(len(at) // 64, 1)])))
    return {name: float(value.abs().max()) for name, value in values.items()}


def joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Parts one after the other."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def evaluate_on_grid(
    solution: Representation, per_axis: Any, derivatives: Sequence[str], given: Mapping[str, Any]
) -> Evaluation:
    """A solution on a tensor-product grid."""
    geometry = solution.problem.geometry
    names = geometry.coordinates.names
    chosen = {**spread(per_axis, names), **given}
    for name, value in given.items():
        geometry.coordinates.index(name)
        if name in geometry.coordinates.parameters and isinstance(value, int | np.integer):
            raise ValueError(
                f"{name}={value} may be a value or a number of points: write {name}={value}.0 for "
                f"the value, or {name}=[…] with values that increase"
            )
    missing = [name for name in names if name not in chosen]
    if missing:
        raise ValueError(
            f"the grid has no points along {missing[0]!r}: give on_grid(50), or {missing[0]}=50"
        )
    ends = dict(zip(names, zip(geometry.lower, geometry.upper, strict=True), strict=True))
    axes = {name: positions(name, chosen[name], *ends[name]) for name in names}
    fixed = [name for name in names if isinstance(chosen[name], float)]
    count = math.prod(len(axis) for axis in axes.values())
    if count > MOST:
        sizes = " × ".join(str(len(axis)) for axis in axes.values())
        raise ValueError(
            f"a grid of {sizes} has {count:.2g} points, more than {MOST:.0e}: ask for fewer, or "
            f"fix a coordinate, as in {names[-1]}={ends[names[-1]][1]}"
        )
    at = torch.cartesian_prod(*map(torch.from_numpy, axes.values())).reshape(count, -1)
    shape = tuple(len(axis) for name, axis in axes.items() if name not in fixed)
    if geometry.is_box:
        warn_outside(geometry, solution.networks.values(), at)
        return Evaluation(solution, Query(at, shape, True), derivatives, axes, fixed)
    inside = inside_of(geometry, at)
    if not bool(inside.any()):
        raise ValueError(f"none of the {count} points of the grid lies in {geometry!r}")
    warn_outside(geometry, solution.networks.values(), at[inside])
    return Evaluation(solution, Query(at, shape, True), derivatives, axes, fixed, inside)
