"""The device that a benchmark is asked to run on."""

from __future__ import annotations

import argparse
import sys
import time

import torch

DEVICES = ("cpu", "cuda")


def add_device(parser: argparse.ArgumentParser) -> None:
    """The option `--device`."""
    parser.add_argument("--device", choices=DEVICES, default="cpu")


def require(device: str) -> None:
    """End with one line and exit code 2 where there is no such device."""
    if device == "cuda" and not torch.cuda.is_available():
        print("left out: there is no CUDA device", file=sys.stderr)
        raise SystemExit(2)


def now(device: str) -> float:
    """The time in seconds, once the device has finished what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
