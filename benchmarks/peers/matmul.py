"""The matrix-product peak:  (n × width)(width × width) in float32, in GFLOP/s."""

import sys
import time

import torch
from case import Case
from protocol import receive, send

ROWS = (256, 1024, 2048, 4096, 8192, 16384)
SECONDS = 0.05  # per shape


def rate(rows: int, width: int, device: str) -> float:
    """GFLOP/s of one shape."""
    a, b = torch.rand(rows, width, device=device), torch.rand(width, width, device=device)
    out = torch.empty(rows, width, device=device)
    count, begun = 0, time.perf_counter()
    best = float("inf")
    while time.perf_counter() - begun < SECONDS:
        start = time.perf_counter()
        torch.mm(a, b, out=out)
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
        count += 1
    return 2 * rows * width * width / best / 1e9


def main(path: str, device: str = "cpu") -> None:
    width = Case.load(path).width
    send({"ready": True, "versions": {"torch": torch.__version__}})
    while receive():
        send({"gflops": max(rate(rows, width, device) for rows in ROWS)})


if __name__ == "__main__":
    main(*sys.argv[1:])
