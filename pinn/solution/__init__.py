"""A problem with its networks: values, derivatives, grids, tables and programs at any points.

What a user asks of a trained solution goes here. `plans` finds the derivatives that each residual
reads.

    solution          what users ask: `Solution`
    representation    unknowns as fields of networks
    product_features  polynomials on patches, evaluated as products along the axes
    product_sums      their sums, half of the axes after the other half
    plans             the derivatives that each residual reads
    evaluation        values and derivatives at points and on grids
    named_derivatives names such as `u.xy` and `vorticity`
    quantities        the values of drag, flow rate and the like
    quadrature        the points that an integral over a region is taken at
    queries           points in any form
    gauge_offsets     what gauges subtract
    exported_program  a program that needs torch alone, or ONNX
    missing_conditions  parts of the boundary without a residual
    bare_network      a network by itself is not the solution
    foreign_network   networks from outside the package
    smoothness        whether a network has the derivatives that are read

May import: dry_run, physics, export, choosing, checking, derivatives, fields, algebra, networks,
geometry, cache, base.
"""
