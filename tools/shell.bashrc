# SPDX-License-Identifier: Apache-2.0
# Start-up file of the shell that `tools/env.sh bash` opens. The user's own comes first: conda, pyenv and others put their
# Python at the front of PATH there, and the workspace's has to stand before it.
if [[ -f ~/.bashrc ]]; then
  source ~/.bashrc
fi
source "$TD3_DRIVING_ROOT/.venv/bin/activate"
source "$TD3_DRIVING_ROOT/install/setup.bash"
