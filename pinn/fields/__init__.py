"""Fields: the notation of residuals. `grad`, `div`, `exp`, means, and what NumPy and torch mean.

A new operator of vector calculus or a function of fields goes here.

May import: algebra, geometry, base.
"""
