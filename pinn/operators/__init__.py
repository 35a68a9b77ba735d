"""Operators on plain functions and modules: `Divergence` and `differentiate`.

How an operator takes its points in portions goes here. Operators on the fields
of a residual (`grad`, `div`, `laplacian`) are in `fields`.

    divergence      ∇·f of any module: `Divergence`
    differentiate   a module as fields: `differentiate`
    arguments       which argument of f is the points, and NumPy arrays
    passed_value    the value that an evaluation of derivatives passes
    vector          the components that are differentiated
    chunked_points  points in chunks that fit the memory
    partial         derivatives of what ran without a graph
    sameness        whether an evaluation made again is the same
    evaluation      one evaluation, in portions
    graphs          how it is run: Python, recorded or compiled

May import: choosing, checking, derivatives, fields, algebra, geometry, recording, cache, base.
"""

from pinn.derivatives.probes import Probes
from pinn.operators.differentiate import differentiate
from pinn.operators.divergence import Divergence, divergence

__all__ = ["Divergence", "Probes", "differentiate", "divergence"]
