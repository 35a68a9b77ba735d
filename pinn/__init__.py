"""Physics-informed training: PDEs in the field's notation, one fused derivative pass.

Names are imported on first use, so that asking for one of them loads torch and importing the
package alone does not: the command line answers a mistyped configuration at once.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pinn.api import fit as fit
    from pinn.checkpoints.file import load as load
    from pinn.fields.field import Field as Field
    from pinn.fields.field import partial as partial
    from pinn.fields.functions import atan as atan
    from pinn.fields.functions import cos as cos
    from pinn.fields.functions import cosh as cosh
    from pinn.fields.functions import dot as dot
    from pinn.fields.functions import exp as exp
    from pinn.fields.functions import log as log
    from pinn.fields.functions import maximum as maximum
    from pinn.fields.functions import minimum as minimum
    from pinn.fields.functions import sin as sin
    from pinn.fields.functions import sinh as sinh
    from pinn.fields.functions import sqrt as sqrt
    from pinn.fields.functions import tan as tan
    from pinn.fields.functions import tanh as tanh
    from pinn.fields.functions import vector as vector
    from pinn.fields.functions import where as where
    from pinn.fields.integrals import integral as integral
    from pinn.fields.integrals import mean as mean
    from pinn.fields.integrals import value as value
    from pinn.fields.normals import dn as dn
    from pinn.fields.normals import outflow as outflow
    from pinn.fields.normals import traction as traction
    from pinn.fields.vector_calculus import advect as advect
    from pinn.fields.vector_calculus import curl as curl
    from pinn.fields.vector_calculus import div as div
    from pinn.fields.vector_calculus import dt as dt
    from pinn.fields.vector_calculus import grad as grad
    from pinn.fields.vector_calculus import laplacian as laplacian
    from pinn.geometry import Ball as Ball
    from pinn.geometry import Box as Box
    from pinn.geometry import Cylinder as Cylinder
    from pinn.geometry import Disc as Disc
    from pinn.geometry import Ellipse as Ellipse
    from pinn.geometry import Geometry as Geometry
    from pinn.geometry import HalfSpace as HalfSpace
    from pinn.geometry import Interval as Interval
    from pinn.geometry import Polygon as Polygon
    from pinn.geometry import Rectangle as Rectangle
    from pinn.geometry import Surface as Surface
    from pinn.networks import MLP as MLP
    from pinn.networks import FourierFeatures as FourierFeatures
    from pinn.networks import Graded as Graded
    from pinn.networks import Network as Network
    from pinn.networks import Periodic as Periodic
    from pinn.networks import Polar as Polar
    from pinn.operators import Divergence as Divergence
    from pinn.operators import Probes as Probes
    from pinn.operators import differentiate as differentiate
    from pinn.operators import divergence as divergence
    from pinn.optim import Phase as Phase
    from pinn.physics.problem import Problem as Problem
    from pinn.physics.quantities import quantity as quantity
    from pinn.physics.residuals import on as on
    from pinn.physics.residuals import periodic as periodic
    from pinn.solution.solution import Solution as Solution

__version__ = "0.1.0"

_HOMES = {
    "pinn.api": "fit",
    "pinn.checkpoints.file": "load",
    "pinn.fields.field": "Field partial",
    "pinn.fields.functions": (
        "atan cos cosh dot exp log maximum minimum sin sinh sqrt tan tanh vector where"
    ),
    "pinn.fields.integrals": "integral mean value",
    "pinn.fields.normals": "dn outflow traction",
    "pinn.fields.vector_calculus": "advect curl div dt grad laplacian",
    "pinn.geometry": (
        "Ball Box Cylinder Disc Ellipse Geometry HalfSpace Interval Polygon Rectangle Surface"
    ),
    "pinn.networks": "MLP FourierFeatures Graded Network Periodic Polar",
    "pinn.operators": "Divergence Probes differentiate divergence",
    "pinn.optim": "Phase",
    "pinn.physics.problem": "Problem",
    "pinn.physics.quantities": "quantity",
    "pinn.physics.residuals": "on periodic",
    "pinn.solution.solution": "Solution",
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = sorted([*_HOME_OF, "__version__"])


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'pinn' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)


def __dir__() -> list[str]:
    return __all__
