# SPDX-License-Identifier: Apache-2.0
"""The visualizer: a camera image with the scene in it, markers, frames."""
