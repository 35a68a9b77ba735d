"""`python -m pinn`: the command line, as the program `pinn` of an installation has it."""

import sys

from pinn.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
