"""Where derivatives come from: `evaluate` and its strategies, the trace, Hutchinson's estimate.

A new strategy is a file here and a name in `evaluate.STRATEGIES`, or in `TRACES` if it gives the
trace alone; `choosing` then tries it, and
`checking` holds it against the loop.

    evaluate      a plan at points, by one of the strategies
    strategy      what a strategy is: derivatives, and the trace of a Jacobian
    chain         strategy, of the trace alone: constant matrices and slopes
    taylor        strategy: one fused forward pass
    loop          strategy: `autograd.grad` per component
    vmap          strategy: one batched reverse pass
    reverse_mode  the gradients that `loop` and `vmap` form
    hutchinson    the stochastic estimate of that trace, and its standard error
    probes        the random vectors of that estimate
    formulas      normalisation and distances where torch's kernels are wrong
    outputs       what a differentiated function may return

May import: algebra, cache, base.
"""
