"""Where derivatives come from: `evaluate` and its strategies, the trace, Hutchinson's estimate.

A new strategy is a file here. Each one is the oracle of the others.

May import: algebra, cache, base.
"""
