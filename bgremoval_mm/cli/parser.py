"""The parser of every command, and adding a command to it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from bgremoval_mm.utils.text import printable

__all__ = ['Parser', 'add_command']


class Parser(argparse.ArgumentParser):
    """Parser that says what is wrong in one line, whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f'{self.prog}: error: {printable(message)} (see {self.prog} --help)\n')


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
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + '.'
    )
    made.set_defaults(run=run, parser=made)
    return made
