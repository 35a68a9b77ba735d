"""One run as a whole: its trainer, its folder, what may be asked of it, and how it is continued.

A rule about run folders, a check of trainer settings, or what a resumed run must keep goes here.

    trainer       the trainer of every run
    requirements  what may be asked of the trainer and the machine
    ranks         several processes that end together
    launchers     processes that torchrun or SLURM has started
    folders       where runs live
    ownership     who trains a run: one process
    continuation  what a continued run must keep
    saved_state   the state in a checkpoint held against the run that continues it

May import: callbacks, training, checkpoints, optim, objective, derivatives,
geometry, base.
"""
