#!/usr/bin/env bash
# How right are the suggested learning rates? Searches the best rate of every task of benchmarks/truth, asks every
# finder, and writes benchmarks/truth/results/*.md and the tables of the README and the site. Needs
# pip install -e '.[bench]', and LRFIND_DATA=DIR with DIR/mnist and DIR/dogbreed for all tasks. What is recorded in
# results/ is not measured again: move it away to begin anew, or give FRESH=lrfind (finders separated by commas) to
# ask only those anew.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1
python=${PYTHON:-python}

"$python" -m benchmarks.truth.oracle
for searched in small schedules large; do
    "$python" -m benchmarks.truth.budgets "$searched"
done
if [ -n "${FRESH:-}" ]; then
    "$python" -m benchmarks.truth.finders --only "$FRESH" --fresh
fi
"$python" -m benchmarks.truth.finders
"$python" -m benchmarks.truth.finders --large
"$python" -m benchmarks.truth.table
"$python" -m benchmarks.truth.laws
"$python" -m benchmarks.truth.large
"$python" -m benchmarks.truth.pages
