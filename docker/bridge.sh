#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# carla-simulator/ros-bridge in an image: bridge.sh build|finish|runtime CARLA_VERSION [GIT_REF]
#
# Nothing is done where CARLA_VERSION is empty. It needs an image of a ROS 2 distribution (ros:humble-ros-base, ...).
set -euo pipefail
what=$1 carla=$2 ref=${3:-master}
[[ -n $carla ]] || exit 0
[[ -n ${ROS_DISTRO:-} ]] || {
  echo "error: the bridge needs a ROS 2 image, for example --build-arg BASE=ros:humble-ros-base" >&2
  exit 2
}
workspace=/opt/carla_ros_bridge
packages=(carla_common carla_msgs carla_ros_bridge carla_spawn_objects ros_compatibility)

build() {
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3-colcon-common-extensions python3-opencv \
    "ros-$ROS_DISTRO-ackermann-msgs" "ros-$ROS_DISTRO-cv-bridge" "ros-$ROS_DISTRO-derived-object-msgs" \
    "ros-$ROS_DISTRO-tf2-ros"
  git clone --quiet --branch "$ref" --recurse-submodules https://github.com/carla-simulator/ros-bridge.git "$workspace/src"
  # The bridge compares this file with the client's version, and drops its last character.
  echo "$carla" >"$workspace/src/carla_ros_bridge/src/carla_ros_bridge/CARLA_VERSION"
  # shellcheck disable=SC1090
  set +u && source "/opt/ros/$ROS_DISTRO/setup.bash" && set -u
  (cd "$workspace" && colcon build --packages-select "${packages[@]}")
  rm -rf "$workspace/src" "$workspace/build" "$workspace/log"
}

# The workspace's environment gets the client of this CARLA, and what the bridge imports.
finish() {
  .venv/bin/python -m pip install --quiet "carla==$carla" transforms3d "setuptools<80"
}

runtime() {
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends python3-opencv "ros-$ROS_DISTRO-ackermann-msgs" \
    "ros-$ROS_DISTRO-cv-bridge" "ros-$ROS_DISTRO-derived-object-msgs" "ros-$ROS_DISTRO-tf2-ros"
  rm -rf /var/lib/apt/lists/*
}

"$what"
