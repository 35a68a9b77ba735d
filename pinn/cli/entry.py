"""The program itself: signals are answered before anything else is imported."""

import sys

from pinn.base.termination import program


def main() -> int:
    """Run the command line of this process, see `launch.main`."""
    program.listen()
    from pinn.cli.launch import main as run

    code = run(sys.argv[1:])
    program.finish()
    return code
