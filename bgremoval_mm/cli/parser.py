"""The parser of every command, and adding a command to it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from bgremoval_mm.utils.text import printable

__all__ = ['Parser', 'add_command', 'add_command_group']


class Parser(argparse.ArgumentParser):
    """Parser that says what is wrong in one line, whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f'{self.prog}: error: {printable(message)} (see {self.prog} --help)\n')

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # A path of no letters would be the current folder: a shell makes one of an unset variable.
        whole_command = action.nargs == argparse.PARSER  # whose own parser looks at each word
        if '' in arg_strings and action.default != '' and not whole_command:
            raise argparse.ArgumentError(action, "must not be empty, but got ''")
        return super()._get_values(action, arg_strings)


def add_command(
    commands: argparse._SubParsersAction[Any],
    name: str,
    run: Callable[[argparse.ArgumentParser, argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    """Add a command.

    Args:
        commands: Where.
        name: What it is called by.
        run: Does it; takes its parser and its arguments, and returns the exit code.
        text: What it does: a sentence without a capital and a full stop.
    """
    made = add_command_group(commands, name, text)
    made.set_defaults(run=run, parser=made)
    return made


def add_command_group(
    commands: argparse._SubParsersAction[Any], name: str, text: str
) -> argparse.ArgumentParser:
    """Add a command that has commands of its own, with the arguments of `add_command`."""
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + '.'
    )
    return made
