# SPDX-License-Identifier: Apache-2.0
"""From a trained policy to what a vehicle needs: the bundle with its ONNX graph, the map of the pedals."""
