# SPDX-License-Identifier: Apache-2.0
"""The nodes on a vehicle: the policy of a bundle, and the gate with its interfaces."""
