#!/usr/bin/env python
"""Fetch and verify the weights of background removal models."""

from __future__ import annotations

import argparse
import sys

from bgremoval_mm.removal import CATALOGUE, WeightsError, fetch_weights


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
    failed = 0
    for model in args.models:
        try:
            path = fetch_weights(model, args.accept_licence)
            print(f'{model}: {path} (verified)')
        except WeightsError as err:
            failed += 1
            print(f'{model}: {err}', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
