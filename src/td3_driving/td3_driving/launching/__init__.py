# SPDX-License-Identifier: Apache-2.0
"""Starting a run: its folder, its processes, its end. Nothing in here needs ROS to be imported."""
