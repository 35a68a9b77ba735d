"""What is read on a boundary: the normal derivative, and what acts on a wall or leaves by it.

The outward unit normals are those of the points at which a residual is evaluated.
"""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

from torch import Tensor

from pinn.base.context import setting
from pinn.fields.field import Field, as_field, data_field
from pinn.fields.vector_calculus import grad

NORMAL: ContextVar[Tensor | None] = ContextVar("NORMAL", default=None)


def dn(f: Any) -> Field:
    """∂f/∂n = n·∇f  with the outward unit normal n of the residual's region.

        @on("wall")
        def insulated(self, T):
            return dn(T)

    Args:
        f: a scalar (N,) or a vector (N, C), or a tuple of scalars.

    Returns:
        A field shaped like f; its own derivatives are not known.

    Raises:
        TypeError: f is no field.
        ValueError: there is no normal, as in the interior, at measured points, and outside of a
            residual.
    """
    f = as_field(f, "dn")
    n = normal_of("dn", f)
    return n @ grad(f) if f.ndim == 1 else grad(f) @ n


def traction(u: Any, p: Any, nu: Any) -> Field:
    """σ n = −p n + ν (∇u + ∇uᵀ) n,  the force per area on the fluid at its boundary.

    The outward normal points from the fluid into the body, so the body feels −σ n:

        @quantity
        def drag(self, u, p):
            return integral(-traction(u, p, self.nu)[:, 0], on="cylinder")

    What vanishes on an outlet where nothing is done is `outflow`.

    Args:
        u: the velocity (N, D), one component per coordinate of space, or a tuple of them.
        p: the pressure (N,); kinematic where ν is.
        nu: the viscosity: a number, a parameter or a field (N,).

    Returns:
        A field (N, D).

    Raises:
        TypeError: u or p is no field.
        ValueError: u has another number of components, or there is no normal, see `dn`.
    """
    u, p, n = flow("traction", u, p)
    slopes = grad(u)
    return nu * (slopes @ n + n @ slopes) - p * n


def outflow(u: Any, p: Any, nu: Any) -> Field:
    """−p n + ν ∂u/∂n,  which vanishes on an outlet where nothing is done to the flow.

        @on("outlet")
        def leaves(self, u, p):
            return outflow(u, p, self.nu)

    In contrast to `traction` it is zero for the fully developed flow in a channel at p = 0, so the
    flow leaves as if the channel went on; see J. G. Heywood, R. Rannacher, S. Turek, "Artificial
    boundaries and flux and pressure conditions for the incompressible Navier–Stokes equations",
    Int. J. Numer. Methods Fluids 22 (1996) 325–352.

    Args:
        u: the velocity (N, D), or a tuple of its components.
        p: the pressure (N,).
        nu: the viscosity: a number, a parameter or a field (N,).

    Returns:
        A field (N, D).

    Raises:
        TypeError: u or p is no field.
        ValueError: u has another number of components, or there is no normal, see `dn`.
    """
    u, p, n = flow("outflow", u, p)
    return nu * (grad(u) @ n) - p * n


def flow(operator: str, u: Any, p: Any) -> tuple[Field, Field, Field]:
    """A velocity, a pressure and the normal at their points, checked."""
    u, p = as_field(u, operator), as_field(p, operator)
    space = len(u.coordinates.space)
    if u.ndim != 2 or u.shape[-1] != space or p.ndim != 1:
        raise ValueError(
            f"{operator} of {u.name!r}, shape {tuple(u.shape)}, and {p.name!r}, shape "
            f"{tuple(p.shape)}: give the velocity (N, {space}) and the pressure (N,)"
        )
    return u, p, normal_of(operator, u)


def normal_of(operator: str, f: Field) -> Field:
    """The outward unit normal (N, D) at the points of a field.

    Raises:
        ValueError: there is none.
    """
    normal = NORMAL.get()
    if normal is None:
        raise ValueError(
            f"{operator} needs the outward normal, which there is only on a boundary: put the "
            f'residual on a boundary region, such as @on("boundary")'
        )
    return data_field(normal, f.coordinates, "normal")


def at_normals(normal: Tensor | None) -> AbstractContextManager[None]:
    """Within it, these are the normals (N, D) of the points; None where there are none."""
    return setting(NORMAL, normal)
