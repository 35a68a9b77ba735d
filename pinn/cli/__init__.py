"""The command line: `train.py fit`, `validate`, `predict`, and sweeps.

A new option, a subcommand, or a message about a mistake in a configuration goes here. `launch`
answers what it can before torch is loaded.

May import: runs, callbacks, training, checkpoints, problems, optim, objective, solution, networks,
base.
"""
