# SPDX-License-Identifier: Apache-2.0
"""Converts the gate's decision to the quantities of a vehicle's interface, without ROS messages."""
