# SPDX-License-Identifier: Apache-2.0
"""Makes the files that a vehicle needs from a trained policy: the bundle with its ONNX graph, the pedal map."""
