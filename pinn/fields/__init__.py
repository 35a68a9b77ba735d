"""Fields: the notation of residuals. `grad`, `div`, `exp`, means, and what NumPy and torch mean.

A new operator of vector calculus or a function of fields goes here.

    field            a named jet in a coordinate system
    vector_calculus  grad, div, curl, laplacian, advect, dt
    functions        exp, sin, dot, where, …
    normals          the normal derivative, traction and outflow on a boundary
    integrals        means and integrals over a region
    elsewhere        a method run at the points of each region that it names
    notation         operators, torch's and NumPy's functions on a field
    numpy_functions  which of NumPy's functions are which of torch's
    constants        numbers and tensors beside a field
    autograd_calls   `torch.autograd.grad` in a residual

May import: algebra, geometry, base.
"""
