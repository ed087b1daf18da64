#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every benchmark; each prints JSON objects, one a line: name, value, unit, baseline, ratio.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python -c 'import stable_baselines3' 2>/dev/null || {
  pip install --quiet --disable-pip-version-check -r requirements/bench.txt -c requirements/constraints.txt
}
for benchmark in tests/benchmarks/bench_*.py; do
  python "$benchmark"
done
tests/benchmarks/gpu.sh
