#!/usr/bin/env python
"""Fetch and verify the weights of background removal models. `bgremoval models` does the same."""

from __future__ import annotations

import argparse
import sys

from bgremoval_mm.cli.models import fetch
from bgremoval_mm.removal import CATALOGUE


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Models: ' + ', '.join(f'{s.name} ({s.licence})' for s in CATALOGUE.values()),
    )
    parser.add_argument('models', nargs='+', metavar='MODEL', choices=list(CATALOGUE))
    parser.add_argument(
        '--accept-licence',
        action='store_true',
        help='accept weights whose licence forbids commercial use',
    )
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Fetch what was asked for; 1 if anything failed."""
    args = parse_args(argv)
    return fetch(args.models, args.accept_licence)


if __name__ == '__main__':
    sys.exit(main())
