"""A problem with its networks: values, derivatives, grids, tables and programs at any points.

What a user asks of a trained solution goes here. `plans` finds the derivatives that each residual
reads.

May import: dry_run, physics, export, choosing, checking, derivatives, fields, algebra, networks,
geometry, base.
"""
