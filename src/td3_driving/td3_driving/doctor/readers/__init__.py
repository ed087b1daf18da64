# SPDX-License-Identifier: Apache-2.0
"""Readers of what training libraries leave behind; each yields the scalars of one file or folder as a stream."""
