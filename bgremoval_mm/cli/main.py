"""The command `bgremoval`.

Only what every start needs is imported here: until `main` has taken over the signals, Ctrl-C ends
Python in its own way.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.commands import make_parser

__all__ = ['main', 'make_parser', 'run_program']


def main(argv: list[str] | None = None, command: str | None = None) -> int:
    """Run a command; return 0 if all went well, 1 if not, 2 on wrong options, 130 if interrupted.

    Args:
        argv: What follows the program's name. Default: as it was started.
        command: The one to run, where `argv` does not begin with it, as for a tool of its own.
    """
    words = sys.argv[1:] if argv is None else argv
    if argv is None:
        signals.install()
    from bgremoval_mm.cli import console
    from bgremoval_mm.cli.errors import guarded
    from bgremoval_mm.utils.allocator import keep_freed_memory

    console.prepare(own_process=argv is None)
    console.log_to_stderr()
    args = make_parser().parse_args(words if command is None else [command, *words])
    if argv is None:
        keep_freed_memory()
    checked_by = getattr(args, 'checked_by', ())
    return guarded(lambda: args.run(args.parser, args), args.debug, checked_by)


def run_program() -> NoReturn:
    """Run as a program, and leave without taking the runtimes apart.

    That takes longer than many a command, and a thread that is stuck in one of them would hold the
    process. Ray is let go properly: it has processes of its own.
    """
    code = main()
    if 'ray' in sys.modules:
        sys.exit(code)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # closed, or none at all
            stream.flush()
    os._exit(code)


if __name__ == '__main__':
    run_program()
