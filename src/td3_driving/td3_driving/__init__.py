# SPDX-License-Identifier: Apache-2.0
"""Training camera-driven TD3 policies over ROS 2."""

__version__ = "0.2.0"
