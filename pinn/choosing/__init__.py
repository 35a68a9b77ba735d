"""Which strategy computes the derivatives: candidates, counted costs, a race, what is trusted.

A change in how `auto` decides goes here. The strategies themselves are in `derivatives`.

    choice       which strategy `auto` takes, and why
    candidates   the strategies that can compute an evaluation
    race         which of them is fastest
    sample_step  one evaluation as a step makes it
    memo         the choices of a solution, while its networks stay the same

May import: checking, derivatives, algebra, cache, base.
"""
