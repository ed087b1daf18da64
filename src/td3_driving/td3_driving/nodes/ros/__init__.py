# SPDX-License-Identifier: Apache-2.0
"""What every node needs of ROS: entry, parameters, QoS, waiting, messages <-> types of the core."""
