# SPDX-License-Identifier: Apache-2.0
"""Run folders and profiles: read, written, found."""
