"""Truncated Taylor arithmetic: channels, series, jets, and a rule for each torch function.

A derivative rule for a torch function goes into `rules`.

    channels     which derivatives a jet carries, and the plan that lists them
    series       truncated Taylor series at points: sum, product, composition
    rows         the derivatives of a series in one tensor
    jet          what flows through ordinary torch code
    tangent      the Jacobian in factors: constant matrices and slopes
    fused        σ(f) on all rows at once, with its own backward
    higher       σ(f) on all rows above second order
    leibniz      f g on all rows at once
    partitions   the terms of the rules of Leibniz and of the chain
    elementary   exp, sin, … and their derivatives
    activations  activation functions and their derivatives
    smooth       both of them, by torch's names
    terms        how a function and its derivatives are written
    deferred     derivatives that are computed when they are read
    indexing     which axes an index touches
    no_rule      the error where a function has no rule
    rules        a rule for each torch function

May import: base.
"""
