# SPDX-License-Identifier: Apache-2.0
"""Writes a finished run for the loggers that people have, beside its own event file."""
