# SPDX-License-Identifier: Apache-2.0
"""The pages of ``docs/reference`` and the tables of the guides, made from the code.

``python -m tools.reference`` writes them; with ``--check`` it compares them.
"""
