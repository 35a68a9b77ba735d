"""What training makes small: residuals at points, their weighted squares, gradient and Jacobian.

Points are taken in chunks, and a step runs as Python, as a recorded graph or compiled. How a loss
is formed or differentiated in the parameters goes here.

May import: solution, physics, choosing, fields, geometry, cache, base.
"""
