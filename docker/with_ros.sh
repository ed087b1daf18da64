#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command with the ROS 2 of the image and the bridge's workspace sourced, as far as they are there.
for setup in "/opt/ros/${ROS_DISTRO:-none}/setup.bash" /opt/carla_ros_bridge/install/setup.bash; do
  # shellcheck disable=SC1090
  [[ -f $setup ]] && source "$setup"
done
exec "$@"
