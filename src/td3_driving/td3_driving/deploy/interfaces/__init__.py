# SPDX-License-Identifier: Apache-2.0
"""From the gate's decision to what a vehicle's interface takes, without its messages."""
