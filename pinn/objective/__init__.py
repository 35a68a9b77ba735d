"""What training makes small: residuals at points, their weighted squares, gradient and Jacobian.

Points are taken in chunks, and a step runs as Python, as a recorded graph or compiled. How a loss
is formed or differentiated in the parameters goes here.

    objective         the weighted loss and its gradient
    known_gradient    a loss that brings its gradient along
    least_squares     the residual vector and its Jacobian
    local_least_squares  the same where the networks are patches
    alone             the rows of each patch without the others
    correction        local polynomials beside the networks, by least squares
    sites             where their features are evaluated
    parameter_blocks  the coefficients of one patch each
    coupled_jacobian  J of residuals that see all points
    losses            from residuals to numbers
    other_regions     the numbers that residuals take over other regions
    chunks            the points of a region, so many at a time
    compilation       Python, recorded or compiled
    graphs            the graphs of a run, held against the Python
    stateless         a module called with other tensors
    nonfinite         where a loss stops being a number

May import: solution, physics, choosing, derivatives, fields, algebra, networks, geometry,
recording, cache, base.
"""
