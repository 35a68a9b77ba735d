"""Physics-informed training: PDEs in the field's notation, one fused derivative pass.

Names are imported on first use, so that asking for one of them loads torch and importing the
package alone does not: the command line answers a mistyped configuration at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pinn.api import fit as fit
    from pinn.checkpoint import load as load
    from pinn.fields import Field as Field
    from pinn.functions import atan as atan
    from pinn.functions import cos as cos
    from pinn.functions import cosh as cosh
    from pinn.functions import dot as dot
    from pinn.functions import exp as exp
    from pinn.functions import log as log
    from pinn.functions import maximum as maximum
    from pinn.functions import minimum as minimum
    from pinn.functions import sin as sin
    from pinn.functions import sinh as sinh
    from pinn.functions import sqrt as sqrt
    from pinn.functions import tan as tan
    from pinn.functions import tanh as tanh
    from pinn.functions import vector as vector
    from pinn.functions import where as where
    from pinn.geometry import Box as Box
    from pinn.geometry import Geometry as Geometry
    from pinn.geometry import Interval as Interval
    from pinn.geometry import Rectangle as Rectangle
    from pinn.integrals import integral as integral
    from pinn.integrals import mean as mean
    from pinn.networks import MLP as MLP
    from pinn.networks import FourierFeatures as FourierFeatures
    from pinn.networks import Graded as Graded
    from pinn.networks import Network as Network
    from pinn.networks import Periodic as Periodic
    from pinn.operators import Divergence as Divergence
    from pinn.operators import Probes as Probes
    from pinn.operators import advect as advect
    from pinn.operators import curl as curl
    from pinn.operators import differentiate as differentiate
    from pinn.operators import div as div
    from pinn.operators import dt as dt
    from pinn.operators import grad as grad
    from pinn.operators import laplacian as laplacian
    from pinn.operators import partial as partial
    from pinn.operators.divergence import divergence as divergence
    from pinn.optim import Phase as Phase
    from pinn.problem import Problem as Problem
    from pinn.residuals import on as on
    from pinn.solution import Solution as Solution

__version__ = "0.1.0"

_HOMES = {
    "pinn.api": ("fit",),
    "pinn.checkpoint": ("load",),
    "pinn.fields": ("Field",),
    "pinn.functions": (
        "atan",
        "cos",
        "cosh",
        "dot",
        "exp",
        "log",
        "maximum",
        "minimum",
        "sin",
        "sinh",
        "sqrt",
        "tan",
        "tanh",
        "vector",
        "where",
    ),
    "pinn.geometry": ("Box", "Geometry", "Interval", "Rectangle"),
    "pinn.integrals": ("integral", "mean"),
    "pinn.networks": ("MLP", "FourierFeatures", "Graded", "Network", "Periodic"),
    "pinn.operators": (
        "Divergence",
        "Probes",
        "advect",
        "curl",
        "differentiate",
        "div",
        "dt",
        "grad",
        "laplacian",
        "partial",
    ),
    "pinn.operators.divergence": ("divergence",),  # not the module
    "pinn.optim": ("Phase",),
    "pinn.problem": ("Problem",),
    "pinn.residuals": ("on",),
    "pinn.solution": ("Solution",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME_OF, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pinn' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
