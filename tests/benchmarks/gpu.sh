#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Learner updates/s on a GPU, within 8 minutes: this learner, a bare reference and, where it is installed,
# Stable-Baselines3. Needs a Python (PYTHON=...) with torch for CUDA, numpy and safetensors; no ROS, no build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${PYTHON:-python3}
"$python" -c 'import torch, numpy, safetensors' 2>/dev/null || { echo 'skipped: no torch, numpy and safetensors'; exit 0; }
export PYTHONPATH="src/td3_driving:tests/benchmarks${PYTHONPATH:+:$PYTHONPATH}"
"$python" -c 'import cv2' 2>/dev/null || export PYTHONPATH="$PYTHONPATH:tests/benchmarks/stand_ins"
exec timeout 480 "$python" tests/benchmarks/gpu_learner.py "$@"
