# SPDX-License-Identifier: Apache-2.0
"""Tries the systems that people have: folders, terminals, homes, Pythons, networks, ends of terminals.

``tools/env.sh python -m tools.systems`` makes a clean environment for each, does there what a user would, and prints a
table. It needs a built workspace (``make build``) and nothing beside the standard library.
"""
