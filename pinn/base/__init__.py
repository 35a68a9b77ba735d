"""What every room may use: the console, processes, memory, costs, recipes of objects.

Nothing here knows physics.

May import: nothing of this package.
"""
