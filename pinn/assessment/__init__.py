"""How good a solution is: errors, residuals off the points, mass balance, figures.

A new score or a new figure goes here.

May import: objective, solution, physics, fields, geometry, base.
"""
