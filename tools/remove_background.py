#!/usr/bin/env python
"""Remove the background of every image below a folder.

By default the masks go to a MaskStore, from which `RemoveBackground(mask_dir=DST)` takes
them in training. A run that was stopped goes on when it is started again. `bgremoval masks` is the
same command.
"""

from __future__ import annotations

import argparse
import sys

# What comes before `main` has taken over the signals is kept short.
from bgremoval_mm.cli import signals


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    from bgremoval_mm.cli.arguments import Parser, add_masks_arguments
    from bgremoval_mm.cli.rules import check_arguments

    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_masks_arguments(parser)
    args = parser.parse_args(argv)
    check_arguments(parser, args)
    return args


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if every image has its result, 1 if not, 130 if interrupted."""
    if argv is None:
        signals.install()
    from bgremoval_mm.cli import console
    from bgremoval_mm.cli.errors import guarded
    from bgremoval_mm.cli.tree import run_tree

    console.prepare(own_process=argv is None)
    console.log_to_stderr()
    args = parse_args(argv)
    return guarded(lambda: run_tree(args), args.debug)


if __name__ == '__main__':
    sys.exit(main())
