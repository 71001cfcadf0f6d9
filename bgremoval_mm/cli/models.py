"""`bgremoval models`: which models there are, which of them are here, and fetching them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.errors import FAILED, OK
from bgremoval_mm.removal.zoo.catalogue import CATALOGUE, is_model_file
from bgremoval_mm.utils.text import printable

__all__ = ['describe', 'fetch', 'listing', 'run_models']


def run_models(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """List, describe or fetch, as what is named."""
    for name in args.models:
        if name not in CATALOGUE and not is_model_file(name):
            parser.error(
                f'MODEL must be one of {", ".join(CATALOGUE)}, or an .onnx file, but got {name!r}'
            )
    files = [name for name in args.models if is_model_file(name)]
    if args.accept_licence and files:
        parser.error('--accept-licence goes with the names of models that are to be fetched')
    for name in files:
        print(describe(name))
    if args.models:
        names = [name for name in args.models if name not in files]
        return fetch(names, args.accept_licence)
    if args.accept_licence:
        parser.error('--accept-licence goes with the names of models that are to be fetched')
    print(listing())
    return 0


def listing() -> str:
    """Return a table of all models: name, input side in pixels, licence, where the file is."""
    from bgremoval_mm.removal.zoo.weights import find_weights

    rows = [('model', 'input', 'licence', 'file')]
    for spec in CATALOGUE.values():
        found = printable(find_weights(spec) or 'not fetched yet')
        rows.append((spec.name, str(spec.size), spec.licence, found))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return '\n'.join(
        '  '.join(f'{cell:{width}}' for cell, width in zip(row, [*widths, 0], strict=True))
        for row in rows
    )


def describe(path: str) -> str:
    """Return what a model's file is, and its card.

    Raises:
        ArgumentError: If it is not of a model that can be run.
    """
    from bgremoval_mm.removal.zoo.model_file import read_model_file

    file = read_model_file(path)
    rows = [
        f'{printable(path)}: {file.spec.name}',
        f'hash    {file.spec.hash}',
        f'input   {printable(file.inputs)}',
        f'output  {printable(file.outputs)}',
    ]
    if file.card is None:
        usual = f'{file.spec.architecture or "another network"}, fed as u2net is'
        return '\n'.join([*rows, f'no card: {usual}'])
    return '\n'.join([*rows, *map(printable, file.card.lines())])


def fetch(models: Sequence[str], accept_licence: bool = False) -> int:
    """Fetch and verify models; 1 if anything failed."""
    from bgremoval_mm.removal.zoo.weights import WeightsError, fetch_weights

    code = OK
    for model in models:
        try:
            with signals.raised():
                path = fetch_weights(model, accept_licence)
            print(f'{model}: {printable(path)} (verified)')
        except WeightsError as err:
            code = FAILED
            print(f'{model}: {printable(err)}', file=sys.stderr)
    return code
