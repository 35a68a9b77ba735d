"""Training on Lightning: the module (`solver`), the points, the phases in turn, the loss weights.

How points are drawn or adapted, how losses are weighted, and the schedule of phases go here; so
does `lightning_adapter`, the only file that touches the inside of Lightning.

    solver             the LightningModule
    rounds       refinement until the estimated error is small
    continuation through easier values of a coefficient, or a shorter time
    coefficient  what a problem may be continued in
    horizon      the time up to which a problem is solved
    next_patches the patches of the next round
    first_patches the patches of the first round
    first_round  what a run that is given an accuracy begins with
    noise        when only the noise of measured data is left
    amplification  what a residual can hide
    former       the solution before the last refinement, which errors are measured against
    singular_points  where derivatives are infinite, and what counts less there
    by_patch     the squared residual of every patch
    change       how much one solution differs from another
    equation_scale  how large an equation of high order is
    verdict      what is said of the result
    kept_rounds  what a checkpoint keeps of them
    outcome      what a round has come to
    decay        how fast coefficients fall: a higher degree or a cut
    best         the networks of the best round
    trust        how much each way to refine keeps of what it promises
    density      how many points a patch has
    effort       what a round takes, told before
    emphasis     how much conditions count, and how fast the residual falls
    options      what the next round may do, and what that promises
    schedule           the phases in turn
    phased             when phases, stages and rounds of a run begin
    collocation        the LightningDataModule: the points of each process, when they are drawn anew
    adaptive_points    points where the residual is large
    loss_weights       weights that follow the training
    covariance         how exactly coefficients are known
    estimate           the error of any solution, by a correction of local polynomials
    error_estimate     what is known of it
    correction_patches the patches of that correction
    conclusion         what a run says at its end that is not in rounds
    strategies         how each network is differentiated
    judge              the reference that errors are measured against
    stopwatch          the time of training alone
    lightning_adapter  the only file that touches the inside of Lightning

May import: checkpoints, assessment, optim, objective, solution, physics, choosing, checking,
derivatives, algebra, networks, geometry, base.
"""
