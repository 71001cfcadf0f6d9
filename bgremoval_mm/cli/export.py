"""`bgremoval export`: a trained model as an ONNX file with a card."""

from __future__ import annotations

import argparse
from pathlib import Path

from bgremoval_mm.cli import signals
from bgremoval_mm.cli.errors import OK, add_debug_argument
from bgremoval_mm.utils.text import printable

__all__ = ['add_export_arguments', 'run_export']


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is exported, and what its card says."""
    parser.add_argument(
        'checkpoint',
        type=Path,
        help="of a training here, weights with the authors' names (.pth), or an .onnx file",
    )
    parser.add_argument('out', type=Path, metavar='OUT.onnx', help='the file')
    parser.add_argument(
        '--config', type=Path, metavar='FILE.py', help='default: the config in the checkpoint'
    )
    parser.add_argument('--name', help='of the model (default: that of OUT)')
    parser.add_argument('--licence', metavar='TEXT', help='of the weights, such as Apache-2.0')
    parser.add_argument(
        '--metrics',
        type=Path,
        metavar='FILE.json',
        help='scores of a test, of tools/test.py --out',
    )
    parser.add_argument(
        '--manifest',
        type=Path,
        metavar='FILE.csv',
        help="pairs that it was trained on (default: the config's)",
    )
    parser.add_argument('--overwrite', action='store_true', help='replace OUT')
    add_debug_argument(parser)


def run_export(parser: argparse.ArgumentParser, args: argparse.Namespace) -> int:
    """Write the file."""
    from bgremoval_mm.engine.model_export import export_model

    with signals.raised():
        report = export_model(
            args.checkpoint,
            args.out,
            args.config,
            name=args.name,
            licence=args.licence,
            metrics=args.metrics,
            manifest=args.manifest,
            overwrite=args.overwrite,
        )
    for note in report.notes:
        print(f'note: {printable(note)}')
    for line in report.card.lines():
        print(printable(line))
    print(
        f"Written to {printable(report.path)}; its maps differ from the checkpoint's by "
        f'{report.gap:.1g} at most'
    )
    return OK
