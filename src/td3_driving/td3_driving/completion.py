# SPDX-License-Identifier: Apache-2.0
"""``td3-driving completion``: a script with which bash and zsh complete commands, options and names of settings."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from importlib import import_module

from td3_driving.cli import COMMANDS
from td3_driving.doctor.command_line import CommandParser
from td3_driving.runs.profiles import config_directory
from td3_driving.settings import Settings

REPLY = 'COMPREPLY=($(compgen -W "%s" -- "$word")); return'
TEMPLATE = """# Completion of td3-driving: eval "$(td3-driving completion)"
if [ -n "${{ZSH_VERSION:-}}" ]; then
  autoload -Uz compinit bashcompinit && compinit -u && bashcompinit
fi
_td3_driving() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} options=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "{commands} --help --version" -- "$word"))
    return
  fi
  case "$before" in
    --set) compopt -o nospace 2>/dev/null; COMPREPLY=($(compgen -W "{settings}" -- "$word")); return ;;
    --profile) COMPREPLY=($(compgen -W "{profiles}" -- "$word")); return ;;
  esac
  case "${{COMP_WORDS[1]}} $before" in
{choices}
  esac
  case "${{COMP_WORDS[1]}}" in
{options}
  esac
  if [ "${{word#-}}" != "$word" ]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  else
    compopt -o default 2>/dev/null
  fi
}}
complete -F _td3_driving td3-driving
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the script."""
    _parser().parse_args(arguments)
    print(script({name: module for name, (module, _) in COMMANDS.items()}), end="")
    return 0


def script(modules: Mapping[str, str]) -> str:
    """The script for commands, given by name and module."""
    actions = {name: _actions(module) for name, module in modules.items()}
    options = [f'    {name}) options="{" ".join(_options(of))}" ;;' for name, of in actions.items()]
    choices = [
        f'    "{name} {option}") {REPLY % " ".join(map(str, action.choices))} ;;'
        for name, of in actions.items()
        for action in of
        if action.choices is not None and not isinstance(action.choices, range)
        for option in action.option_strings
    ]
    return TEMPLATE.format(
        commands=" ".join(modules),
        settings=" ".join(f"{name}=" for name in Settings().flat()),
        profiles=" ".join(sorted(path.stem for path in config_directory().glob("*.yaml"))),
        choices="\n".join(choices),
        options="\n".join(options),
    )


def _options(actions: list[argparse.Action]) -> list[str]:
    return [word for action in actions for word in action.option_strings if word.startswith("--")]


def _actions(module: str) -> list[argparse.Action]:
    """The options of a command, from its ``_parser``; none where what the command needs is not installed."""
    try:
        parser: CommandParser = vars(import_module(module))["_parser"]()
    except ImportError:
        return []
    return parser._actions


def _parser() -> CommandParser:
    return CommandParser(
        "td3-driving completion",
        description='Print a script for bash and zsh: put eval "$(td3-driving completion)" into ~/.bashrc or ~/.zshrc.',
    )
