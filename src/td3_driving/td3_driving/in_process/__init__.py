# SPDX-License-Identifier: Apache-2.0
"""Learner and embedded simulator in one process, without ROS."""
