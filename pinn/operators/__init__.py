"""Operators on plain functions and modules: `Divergence` and `differentiate`.

How an operator takes its points in portions and draws its probes goes here. Operators on the fields
of a residual (`grad`, `div`, `laplacian`) are in `fields`.

    divergence      ∇·f of any module: `Divergence`
    differentiate   a module as fields: `differentiate`
    chunked_points  points in chunks that fit the memory
    probes          random probes of the estimate

May import: choosing, checking, derivatives, fields, algebra, geometry, cache, base.
"""

from pinn.operators.differentiate import differentiate
from pinn.operators.divergence import Divergence, divergence
from pinn.operators.probes import Probes

__all__ = ["Divergence", "Probes", "differentiate", "divergence"]
