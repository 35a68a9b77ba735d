"""Whether a strategy tells the truth: agreement with the loop, independence of points.

A new check of a strategy goes here. It runs at a few points in float64.

    agreement       a strategy gives the numbers of the loop
    independence    points do not see each other
    samples         the points at which a function is tried
    autograd_graph  where a graph of autograd is cut

May import: derivatives, algebra, cache, base.
"""
