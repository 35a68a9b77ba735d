"""The program, as `train.py`, `python -m pinn` and the `pinn` of an installation start it.

Signals are answered before anything else is imported.
"""

import sys

from pinn.base.signals import program


def main() -> int:
    """Run the command line of this process, see `cli.main`."""
    program.listen()
    from pinn.cli.main import main as run

    code = run(sys.argv[1:])
    program.finish()
    return code


if __name__ == "__main__":
    sys.exit(main())
