#!/usr/bin/env bash
# The GPU check, for a machine with CUDA:
#
#     scripts/gpu_check.sh PHOTOS [COPIES]
#
# Runs the GPU tests, then ResNet-50 in bf16 on the class folders in PHOTOS, each photo repeated COPIES times
# (default 60) to a folder of realistic size, and a small MLP, and prints the throughput of the range test over that
# of a bare loop on a batch that already lies on the GPU. The target is 0.95 for both.
set -euo pipefail
cd "$(dirname "$0")/.."
photos=${1:?give a folder of class folders with photos}
copies=${2:-60}

python -c 'import torch, sys; sys.exit(0 if torch.cuda.is_available() else "no CUDA device is seen by torch")'
pytest -q -m gpu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python scripts/bench_gpu.py --photos "$photos" --copies "$copies" --scratch "$folder"
