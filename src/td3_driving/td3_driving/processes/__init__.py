# SPDX-License-Identifier: Apache-2.0
"""Child processes, exit codes, and the ROS domain of a run. Independent of what the processes do."""
