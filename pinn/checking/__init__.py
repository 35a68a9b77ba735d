"""Whether a strategy tells the truth: agreement with the loop, independence of points.

A new check of a strategy goes here. It runs at a few points in float64.

May import: derivatives, algebra, cache, base.
"""
