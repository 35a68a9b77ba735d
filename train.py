"""Solve a PDE from the command line: `python train.py --config navier_stokes.yaml`."""

import sys

from pinn.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
