"""What residuals do, seen at a few points where every derivative is a leaf of the graph.

Checks that need one evaluation of the residuals and no training go here: open constants, detached
parts, residuals that see all points.

May import: physics, fields, algebra, geometry, base.
"""
