# SPDX-License-Identifier: Apache-2.0
"""ROS code shared by all nodes: entry, parameters, QoS, waiting, message conversions."""
