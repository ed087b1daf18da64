# SPDX-License-Identifier: Apache-2.0
"""A folder in which the blocks of a tutorial are carried out as a reader would, in the environment of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from ..shared.patience import HANG
from .blocks import ROOT, Block

TIMEOUT = 3 * HANG
"""Wall time after which a block is taken to hang: it may train, evaluate and judge [s]."""
COMMAND = f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/src/td3_driving/bin/td3-driving" "$@"\n'
PYTHON = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
READY = "#!/bin/sh\n# The environment of the tests is built.\n"
HERE = '#!/bin/sh\nexport PYTHONPATH="$WORKSPACE:$PYTHONPATH"\nexec "$@"\n'
"""As the real one, it puts the workspace before what the reader has on the path."""


class Workshop:
    """The repository's Makefile in an empty folder; its environment and its command are those of the tests.

    Args:
        folder: empty; everything that the blocks write lies there.
        domain: ROS domain of the blocks.
    """

    def __init__(self, folder: Path, domain: int) -> None:
        self.folder = folder
        (folder / "Makefile").write_text((ROOT / "Makefile").read_text(encoding="utf-8"), encoding="utf-8")
        for name in ("config", "docs"):
            (folder / name).symlink_to(ROOT / name)
        for name, text in (("tools/build.sh", READY), ("tools/env.sh", HERE), ("bin/td3-driving", COMMAND)):
            self._program(name, text)
        for name in ("python", "python3"):
            self._program(f"bin/{name}", PYTHON)
        workspace = os.pathsep.join(filter(None, (str(ROOT / "src" / "td3_driving"), os.environ.get("PYTHONPATH"))))
        self._environment = {
            **os.environ,
            "PATH": f"{folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": workspace,
            "WORKSPACE": workspace,
            "OMP_NUM_THREADS": "1",
            "ROS_DOMAIN_ID": str(domain),
        }

    def _program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def do(self, block: Block) -> None:
        """Write the file that a block is, or run it.

        Raises:
            AssertionError: a command of the block failed, or took too long.
        """
        if block.mark or block.language not in ("bash", "python", "yaml"):
            return
        if block.title:
            (self.folder / block.title).write_text(block.code + "\n", encoding="utf-8")
        elif block.language == "bash":
            self._run(block, ["bash", "-euo", "pipefail", "-c", block.code])
        elif block.language == "python":
            self._run(block, [sys.executable, "-c", block.code])

    def _run(self, block: Block, command: list[str]) -> None:
        output = self.folder / "output.txt"
        with output.open("w+", encoding="utf-8") as log:
            try:
                code = subprocess.run(
                    command,
                    cwd=self.folder,
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    timeout=TIMEOUT,
                    check=False,
                ).returncode
            except subprocess.TimeoutExpired:
                code = None
        said = output.read_text(encoding="utf-8", errors="replace")[-4000:]
        assert code == 0, f"{block.page.name}:{block.line} ended with {code}:\n{block.code}\n\n{said}"
