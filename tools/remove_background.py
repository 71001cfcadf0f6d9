#!/usr/bin/env python
"""Remove the background of every image below a folder.

By default the masks go to a MaskStore, from which `RemoveBackground(mask_dir=DST)` takes
them in training. A run that was stopped goes on when it is started again. `bgremoval masks` is the
same command.
"""

from __future__ import annotations

import argparse
import logging
import sys

from bgremoval_mm.cli.tree import add_masks_arguments, check_arguments, run_tree


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_masks_arguments(parser)
    args = parser.parse_args(argv)
    check_arguments(parser, args)
    return args


def main(argv: list[str] | None = None) -> int:
    """Run; 0 if every image has its result, 1 if not, 130 if interrupted."""
    args = parse_args(argv)
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    return run_tree(args)


if __name__ == '__main__':
    sys.exit(main())
