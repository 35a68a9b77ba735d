"""Operators of vector calculus, on fields and on plain functions."""

from pinn.fields import partial
from pinn.operators.differential import advect, curl, div, dt, grad, laplacian
from pinn.operators.divergence import Divergence, divergence
from pinn.operators.functional import differentiate
from pinn.operators.probes import Probes

__all__ = [
    "Divergence",
    "Probes",
    "advect",
    "curl",
    "differentiate",
    "div",
    "divergence",
    "dt",
    "grad",
    "laplacian",
    "partial",
]
