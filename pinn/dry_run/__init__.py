"""What residuals do, seen at a few points where every derivative is a leaf of the graph.

Checks that need one evaluation of the residuals and no training go here: open constants, detached
parts, residuals that see all points.

    leaves          fields whose derivatives are leaves
    gauge           constants that the equations leave open
    coupling        residuals that see all points of their region
    detached        residuals that hide a part from training
    energy          residuals that look like an energy
    incompressible  residuals that are a divergence

May import: physics, fields, algebra, geometry, base.
"""
