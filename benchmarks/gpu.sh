#!/usr/bin/env bash
# All rows that need a GPU, in less than eight minutes; without a GPU one line and exit code 2.
#
#     bash benchmarks/gpu.sh [python]
set -uo pipefail
cd "$(dirname "$0")/.."
python=${1:-python}
"$python" -c 'import torch; raise SystemExit(0 if torch.cuda.is_available() else 2)' || {
    echo "left out: there is no CUDA device" >&2
    exit 2
}
failed=0
measure() { # seconds, script, options
    local seconds=$1
    shift
    echo "## $* (at most $seconds s)"
    timeout "$seconds" "$python" "benchmarks/$1" --device cuda "${@:2}" || failed=1
}
measure 60 gpu_waits.py
measure 210 step.py --only ours,nested --rounds 2 --sizes 4x64,6x128,6x128-100k,6x128-1M
measure 90 least_squares.py --widths 16 32 64 --points 1000 10000 100000 1000000 --limit 5
measure 100 divergence.py --no-peers --networks dense --dims 2 3 32 --batches 4096 1000000 --repeats 3
exit $failed
