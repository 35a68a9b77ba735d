"""Operators of vector calculus, on fields and on plain functions."""

from pinn.fields import partial
from pinn.operators.differential import advect, curl, div, dt, grad, laplacian
from pinn.operators.divergence import Divergence, divergence

__all__ = [
    "Divergence",
    "advect",
    "curl",
    "div",
    "divergence",
    "dt",
    "grad",
    "laplacian",
    "partial",
]
