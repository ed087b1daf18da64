#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Finds the compilers and a Python, installs what is missing where it may, and lets workspace.py do the rest.
#
# PYTHON=/path/to/python   the interpreter to build the environment with
# GPU=1                    the CUDA build of torch
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
  echo "error: $*" >&2
  exit 2
}

# What makes messages and the scripts of a virtual environment cannot all do with every path; it shows after minutes.
check_folder() {
  local folder=$1 LC_ALL=C
  local plain='^[A-Za-z0-9_./+@,=~-]+$'
  if ! [[ $folder =~ $plain ]]; then
    fail "the path of the sources has a character that the build cannot do with: '$folder';" \
      "only letters A-Z and a-z, digits and _ . / + @ , = ~ - may be in it. Move the folder; runs may lie anywhere (RUN=/path)"
  fi
  if ((${#folder} > 200)); then
    fail "the path of the sources has ${#folder} characters, and the build cannot do with more than 200. Move the folder"
  fi
}

suits() {
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null
}

complete() {
  "$1" -c 'import ensurepip, os, sysconfig as s; os.stat(s.get_path("include") + "/Python.h")' 2>/dev/null
}

version() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}

# A sourced ROS 2 was compiled for one Python, its distribution's; otherwise an environment keeps the one it has.
candidates() {
  if [[ -n ${PYTHON:-} ]]; then
    echo "$PYTHON"
  elif [[ -n ${ROS_DISTRO:-} ]]; then
    echo /usr/bin/python3 python3
  else
    if [[ -f .venv/workspace.json ]]; then
      .venv/bin/python -c 'import sys; print(sys._base_executable)' 2>/dev/null || true
    fi
    echo python3 python3.11 python3.12 python3.10
  fi
}

find_python() {
  local candidate first=""
  for candidate in $(candidates); do
    suits "$candidate" || continue
    if complete "$candidate"; then
      command -v "$candidate"
      return
    fi
    first=${first:-$(command -v "$candidate")}
  done
  echo "$first"
}

missing_packages() {
  local python=$1 program
  for program in g++ cmake make; do
    command -v "$program" >/dev/null || echo "$program"
  done
  if [[ -z $python ]]; then
    echo python3 python3-venv python3-dev
  elif ! complete "$python"; then
    echo "python$(version "$python")-venv" "python$(version "$python")-dev"
  fi
  # The simulator's renderer is linked with it, also where it draws off screen.
  if [[ -n $python ]] && ! "$python" -c 'import ctypes; ctypes.CDLL("libX11.so.6")' 2>/dev/null; then
    echo libx11-6
  fi
  if [[ ${ROS_DISTRO:-} =~ ^(humble|jazzy|kilted)$ && -n $python ]]; then
    "$python" -c 'import cv2' 2>/dev/null || echo python3-opencv
    command -v colcon >/dev/null || echo python3-colcon-common-extensions
  fi
}

install_packages() {
  if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    fail "this machine lacks $*; install it with: sudo apt-get install -y $*"
  fi
  echo "installing $*"
  apt-get update -qq || echo "apt-get update failed; trying with the lists at hand"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" ||
    fail "apt-get could not install $*"
}

check_folder "$(pwd -L)"
check_folder "$(pwd -P)"
if [[ $(uname -m) != x86_64 ]]; then
  fail "this machine is $(uname -m), and CARLA's library, which reads the maps of the simulator, exists for x86_64 alone." \
    "Train on another machine. A vehicle does not need it: source ROS 2, then colcon build and tools/vehicle_env.sh FOLDER"
fi
python=$(find_python)
if [[ -z $python ]]; then
  for found in $(candidates); do
    if command -v "$found" >/dev/null; then
      fail "Python 3.10, 3.11 or 3.12 is needed, and $found is $(version "$found");" \
        "install one of them, or name it with PYTHON=/path/to/python"
    fi
  done
  [[ -z ${PYTHON:-} ]] || fail "PYTHON=$PYTHON is not a program"
fi
read -r -a missing <<<"$(missing_packages "$python" | tr '\n' ' ')"
if ((${#missing[@]})); then
  install_packages "${missing[@]}"
  python=$(find_python)
fi
[[ -n $python ]] || fail "Python 3.10, 3.11 or 3.12 is needed, and this system's python3 is $(version python3)"
exec "$python" tools/workspace.py
