"""Which strategy computes the derivatives: candidates, counted costs, a race, what is trusted.

A change in how `auto` decides goes here. The strategies themselves are in `derivatives`.

May import: checking, derivatives, algebra, cache, base.
"""
