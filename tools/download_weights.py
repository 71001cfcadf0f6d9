#!/usr/bin/env python
"""Fetch and verify the weights of background removal models. `bgremoval models` does the same."""

from __future__ import annotations

import argparse
import sys

from bgremoval_mm.cli import console
from bgremoval_mm.cli.arguments import add_licence_argument
from bgremoval_mm.cli.errors import add_debug_argument, guarded
from bgremoval_mm.cli.models import fetch
from bgremoval_mm.removal.zoo.catalogue import CATALOGUE


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Models: ' + ', '.join(f'{s.name} ({s.licence})' for s in CATALOGUE.values()),
    )
    parser.add_argument('models', nargs='+', metavar='MODEL', choices=list(CATALOGUE))
    add_licence_argument(parser)
    add_debug_argument(parser)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Fetch what was asked for; 1 if anything failed."""
    args = parse_args(argv)
    console.prepare(own_process=argv is None)
    return guarded(lambda: fetch(args.models, args.accept_licence), args.debug)


if __name__ == '__main__':
    sys.exit(main())
