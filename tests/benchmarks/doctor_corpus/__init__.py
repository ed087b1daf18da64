# SPDX-License-Identifier: Apache-2.0
"""Training runs of other libraries with their truth, and the command that judges the doctor by them."""
