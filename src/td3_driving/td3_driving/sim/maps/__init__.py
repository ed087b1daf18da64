# SPDX-License-Identifier: Apache-2.0
"""Road networks of our own; ``make_maps`` writes them."""
