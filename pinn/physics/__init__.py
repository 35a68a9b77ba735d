"""What a problem is: its class, its residuals and boundary conditions, its references.

A new way to state an equation or a boundary condition, and what a mistake in one says, goes here.
The equations that come with the package are in `problems`.

    problem           the class `Problem`
    residuals         `@on(…)`: residuals and boundary conditions on regions
    declaration       what a problem's class states, checked
    ranges            parameters that are coordinates
    domain_check      what a class states, held against its geometry
    attributes        tables and networks that a problem holds
    return_values     what its methods return, brought to one form
    quantities        `@quantity`: numbers made of integrals of the unknowns
    references        what a solution is judged against
    given_reference   a reference from outside, such as a file
    estimates         a coefficient and its interval
    explanation       an error in the user's code, as one line
    nonfinite_origin  the operation that gave the first NaN

May import: checking, fields, algebra, networks, geometry, base.
"""
