"""What a problem states of its domain, held against its geometry."""

from typing import Any

from pinn.base.messages import check_name
from pinn.physics.residuals import Residual


def check_domain(problem: Any) -> None:
    """Hold coordinates, residuals and their data against the geometry of a problem.

    Raises:
        ValueError: it lacks a coordinate, a region, or what a residual asks for there.
    """
    name, geometry = type(problem).__name__, problem.geometry
    if geometry.coordinates.names != tuple(problem.coordinates):
        raise ValueError(
            f"{name} has coordinates {tuple(problem.coordinates)} but its geometry "
            f"{geometry.coordinates.names}"
        )
    if not problem.unknowns or not problem.residuals:
        raise ValueError(f"{name} needs unknowns and at least one @on(region) residual")
    for unknown in problem.divergence_free:
        if unknown not in problem.vectors:
            raise ValueError(
                f"{name}.divergence_free names {unknown!r}: it must be an unknown with one "
                "component per coordinate of space"
            )
    for residual in problem.residuals:
        for region in residual.regions:
            check_name(region, geometry.regions, f"{name}.{residual.name} is on region {region!r}")
            check_data(problem, residual, region)


def check_data(problem: Any, residual: Residual, region: str) -> None:
    """Hold a residual's normal and data columns against its region.

    Raises:
        ValueError: the region does not have one of them.
    """
    sample = problem.geometry.sample(region, 1)
    available = [*([] if sample.normal is None else ["normal"]), *sample.columns]
    for argument in residual.arguments:
        if argument in ("normal", *problem.columns) and argument not in available:
            raise ValueError(
                f"{type(problem).__name__}.{residual.name} asks for {argument!r}, which region "
                f"{region!r} does not have: {', '.join(available) or 'it has no data'}"
            )
