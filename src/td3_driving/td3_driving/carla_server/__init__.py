# SPDX-License-Identifier: Apache-2.0
"""A stand-in for a CARLA server: the genuine client library connects to the embedded world. No ROS."""
