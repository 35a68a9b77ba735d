"""What a problem is: its class, its residuals and boundary conditions, its references.

What may be stated in a problem, and what a mistake in one says, goes here.

May import: checking, fields, algebra, networks, geometry, base.
"""
