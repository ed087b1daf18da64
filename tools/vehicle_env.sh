#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a virtual environment as a vehicle has it: what policy and gate import, and no torch.
#
#   tools/vehicle_env.sh FOLDER
#
# The tests of the deployed policy run in it with
#   TD3_DRIVING_VEHICLE_PYTHON=FOLDER/bin/python tools/env.sh python -m pytest tests/nodes/vehicle/test_deploy_episode.py
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=${1:?usage: tools/vehicle_env.sh FOLDER}
packages=(numpy opencv-python-headless PyYAML onnx onnxruntime cryptography)
options=()
if [[ -n ${ROS_DISTRO:-} ]]; then
  options+=(--system-site-packages)
else
  # On a machine without ROS 2 it comes from wheels, as in the environment of the workspace.
  packages+=(ros-rclpy ros-rmw-fastrtps-cpp ros-common-interfaces ros-rosidl-default-runtime)
fi
python=${PYTHON:-$(.venv/bin/python -c 'import sys; print(sys._base_executable)' 2>/dev/null || echo python3)}
"$python" -m venv "${options[@]}" "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check "${packages[@]}" -c requirements/constraints.txt
if "$folder/bin/python" -c 'import torch' 2>/dev/null; then
  echo "error: torch is in $folder: it is among the system's packages" >&2
  exit 1
fi
set +u  # The files of colcon read variables that nobody has set.
source install/setup.bash
PATH=$folder/bin:$PATH "$folder/bin/python" - <<'END'
import sys
import td3_driving.nodes.vehicle.drive
import td3_driving.nodes.vehicle.gate

loaded = {name.split(".")[0] for name in sys.modules}
if "torch" in loaded:
    sys.exit("error: policy or gate imports torch")
print("policy and gate start here, without torch")
END
