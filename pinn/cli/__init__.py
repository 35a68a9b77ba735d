"""The command line: `train.py fit`, `validate`, `predict`, and sweeps.

A new flag goes into `options`, a message about a mistake in a configuration into `schema`, or into
`mistakes` where only the parser finds it. What needs no torch is answered before torch is loaded.

    main             from the words of a command line to an exit code; what needs no torch
    request          what a command line asks for
    invocation       the words that start this program again, as it was launched
    arguments        the words of a command line, taken apart and held against each other
    options          the flags that are not keys of a configuration
    configuration    files of settings, found by name
    yaml_nodes       the nodes of a YAML text
    recipe           `class_path` and `init_args` in a configuration
    annotations      types in annotations, and whether a value is of one
    signatures       of classes, read from their source
    schema           names and types of settings, held against signatures
    mistakes         what only the parser finds, as one line
    allowed_classes  which classes a configuration may name
    configured_run   the parser, and a run or a validation as a configuration describes it
    exit_codes       a request carried out: one line and an exit code for whatever goes wrong
    resumption       a run continued with its own settings
    sweep            runs with other values, one after the other
    sweep_members    which runs a sweep has
    predict          `train.py predict`

May import: runs, callbacks, training, checkpoints, problems, optim, objective, solution, networks,
geometry, base.
"""
