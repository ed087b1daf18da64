# SPDX-License-Identifier: Apache-2.0
"""Point the CMake files of ROS 2 wheels at the environment they are installed in.

The wheels carry the paths of the machine that built them (``/opt/python/cp311-cp311/...``). CMake refuses include
folders that do not exist, so they are rewritten once after every installation; a second run finds nothing to do.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

BUILD_PREFIX = r"/opt/python/cp\d+-cp\d+"
INCLUDE = re.compile(BUILD_PREFIX + r"/include/python3\.\d+")
SITE_PACKAGES = re.compile(BUILD_PREFIX + r"/lib/python3\.\d+/site-packages")


def rewritten(text: str, include: str, site_packages: str) -> str:
    """``text`` with the build machine's include folder and site-packages replaced by the given ones."""
    return SITE_PACKAGES.sub(lambda _: site_packages, INCLUDE.sub(lambda _: include, text))


def fix(prefix: Path, include: str, site_packages: str) -> int:
    """Rewrite ``prefix/share/*/cmake/*.cmake`` in place and return the number of files changed."""
    changed = 0
    for path in sorted(prefix.glob("share/*/cmake/*.cmake")):
        before = path.read_text(encoding="utf-8")
        after = rewritten(before, include, site_packages)
        if after != before:
            path.write_text(after, encoding="utf-8")
            changed += 1
    return changed


if __name__ == "__main__":
    print(fix(Path(sys.prefix), sysconfig.get_path("include"), sysconfig.get_path("purelib")), "wheel paths set")
