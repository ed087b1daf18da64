# SPDX-License-Identifier: Apache-2.0
"""The nodes of a training run: policy, learner, diagnostics, recorder."""
