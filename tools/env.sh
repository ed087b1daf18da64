#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command inside the built workspace: tools/env.sh COMMAND ARGUMENTS ...
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ ! -f $root/.venv/bin/activate || ! -f $root/install/setup.bash ]]; then
  echo "error: the workspace is not built; run: make build" >&2
  exit 2
fi
source "$root/.venv/bin/activate"
source "$root/install/setup.bash"
# Commands that are printed for a person to type begin with this.
export TD3_DRIVING_PREFIX=${BASH_SOURCE[0]}
if [[ $# == 1 && $1 == bash ]]; then
  export TD3_DRIVING_ROOT=$root
  exec bash --rcfile "$root/tools/shell.bashrc"
fi
exec "$@"
