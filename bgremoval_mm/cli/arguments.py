"""The options of a job and of a network, which several commands share, and what they are read into.

An option that a rule is about has the default None, so that it is known whether it was given; its
real default is that of EngineOptions, OutputOptions or JobOptions, whose field has the name in the
namespace. Imports nothing heavy: `--help` and a typing error are answered at once.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from bgremoval_mm.cli.argument_types import at_least, device_name, model_name, setting, shard
from bgremoval_mm.cli.errors import add_debug_argument
from bgremoval_mm.cli.parser import Parser, add_command
from bgremoval_mm.cli.result_arguments import add_result_arguments, framing_of
from bgremoval_mm.removal.options import (
    BACKENDS,
    ENGINES,
    FILE_FORMATS,
    OUTPUTS,
    PRECISIONS,
    EngineOptions,
    JobOptions,
    OutputOptions,
)

__all__ = [
    'FORMAT_OF_SUFFIX',
    'Parser',
    'add_bench_arguments',
    'add_command',
    'add_debug_argument',
    'add_device_argument',
    'add_engine_arguments',
    'add_licence_argument',
    'add_masks_arguments',
    'add_model_argument',
    'add_tree_arguments',
    'at_least',
    'device_name',
    'engine_options_of',
    'model_name',
    'options_of',
]

_Options = TypeVar('_Options')

FORMAT_OF_SUFFIX = {suffix: name for name, suffix in FILE_FORMATS.items()} | {'.jpeg': 'jpeg'}


def add_tree_arguments(parser: argparse.ArgumentParser, output: str = 'store') -> None:
    """Add everything that a job over a folder takes."""
    add_result_arguments(parser, output)
    _add_model_arguments(parser)
    _add_job_arguments(parser)
    _add_report_arguments(parser)
    add_debug_argument(parser)


def add_masks_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `bgremoval masks` and tools/remove_background.py take."""
    parser.add_argument('src', help='folder of images, or one image; or an address like s3://...')
    parser.add_argument('dst', help='folder for the results, outside SRC; or an address')
    add_tree_arguments(parser)


def add_bench_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is measured, and on what."""
    parser.add_argument('photos', type=Path, help='folder of photos')
    add_model_argument(parser)
    parser.add_argument(
        '--images', type=at_least(1), default=30, help='evenly chosen (default: 30)'
    )
    parser.add_argument('--rounds', type=at_least(1), default=5, help='(default: 5)')
    parser.add_argument(
        '--settings',
        nargs='+',
        type=setting,
        metavar='BACKEND:PRECISION',
        help='or "rembg" (default: all that are installed)',
    )
    parser.add_argument('--device', type=device_name, default='cpu')
    _add_threads_argument(parser)
    parser.add_argument('--batch-size', type=at_least(1), default=1)
    parser.add_argument('--output', default='mask', choices=OUTPUTS)
    parser.add_argument('--format', dest='file_format', default='png', choices=list(FILE_FORMATS))
    parser.add_argument('--calibration', help='photos for int8 (default: PHOTOS)')
    parser.add_argument(
        '--labels',
        type=Path,
        metavar='DIR',
        help='label maps NAME.png, 255 where nothing is annotated: prints the IoU of the masks',
    )
    add_debug_argument(parser)


def add_model_argument(parser: argparse.ArgumentParser, about: str = '') -> None:
    """Add ``--model``."""
    parser.add_argument(
        '--model',
        default='u2net',
        type=model_name,
        help=f'{about}a name that `bgremoval models` lists, or an .onnx file (default: u2net)',
    )


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``."""
    parser.add_argument(
        '--device', type=device_name, default='auto', help='auto (default), cpu, cuda or cuda:N'
    )


def add_licence_argument(parser: argparse.ArgumentParser) -> None:
    """Add the switch without which weights for non-commercial use are refused."""
    parser.add_argument(
        '--accept-licence',
        action='store_true',
        help='accept weights whose licence forbids commercial use',
    )


def options_of(args: argparse.Namespace) -> tuple[EngineOptions, OutputOptions, JobOptions]:
    """Return the options of a job; what was not given has the default of its field.

    Raises:
        ArgumentError: If they do not go together.
    """
    return engine_options_of(args), _read(OutputOptions, args), _read(JobOptions, args)


def engine_options_of(args: argparse.Namespace) -> EngineOptions:
    """Return how the network is run; what was not given has the default of its field.

    Raises:
        ArgumentError: If the options do not go together.
    """
    return _read(EngineOptions, args)


def _read(kind: type[_Options], args: argparse.Namespace) -> _Options:
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    given = {name: getattr(args, name, None) for name in names}
    if 'framing' in given:
        given['framing'] = framing_of(args)
    return kind(**{name: value for name, value in given.items() if value is not None})


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Add which network it is, and how it is run."""
    add_model_argument(parser)
    add_engine_arguments(parser)
    parser.add_argument(
        '--max-pixels', type=at_least(1), help='refuse larger images (default: 89 million)'
    )
    parser.add_argument(
        '--max-bytes', type=at_least(1), help='refuse larger files (default: 1 GiB)'
    )


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how a network is run."""
    parser.add_argument(
        '--backend', default='auto', choices=BACKENDS, help='default: auto, the fastest here'
    )
    parser.add_argument(
        '--precision',
        choices=PRECISIONS,
        help="fp32 (default, rembg's masks); bf16, fp16 or int8 are faster where the hardware has "
        'them; auto: bf16 where the CPU computes in it',
    )
    parser.add_argument(
        '--calibration', metavar='DIR', help='photos that --precision int8 is calibrated with'
    )
    add_device_argument(parser)
    _add_threads_argument(parser)
    add_licence_argument(parser)


def _add_threads_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--threads',
        dest='num_threads',
        type=at_least(1),
        metavar='N',
        help='CPU threads of the network (default: one a core that this process may use)',
    )


def _add_job_arguments(parser: argparse.ArgumentParser) -> None:
    """Add how a folder is gone through."""
    parser.add_argument(
        '--batch-size', type=at_least(1), help='images in one run of the network (default: 1)'
    )
    parser.add_argument(
        '--overwrite', action='store_true', default=None, help='do again what is done'
    )
    parser.add_argument(
        '--checksum',
        action='store_true',
        default=None,
        help='find changed images by their content, not by size and time of modification',
    )
    parser.add_argument(
        '--masks',
        dest='mask_dir',
        metavar='DIR',
        help='a mask store of these images: take its masks, and compute only those it lacks',
    )
    parser.add_argument(
        '--second-model',
        type=model_name,
        metavar='MODEL',
        help='compare each mask with this model\'s, and flag those that differ as "disputed"',
    )
    parser.add_argument(
        '--shard',
        type=shard,
        metavar='I/N',
        help='do the I-th of N parts, I from 1 to N: as many jobs on as many machines',
    )
    parser.add_argument(
        '--engine',
        choices=ENGINES,
        help='local (default), or ray: on a Ray cluster, or on all cores of this machine',
    )
    parser.add_argument(
        '--workers',
        type=at_least(0),
        help='actors of --engine ray (default: one a GPU, or one every four cores)',
    )


def _add_report_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is made of the results afterwards."""
    parser.add_argument(
        '--sheet',
        nargs='?',
        type=Path,
        const=True,
        metavar='FILE.png',
        help='afterwards, draw the 50 least trustworthy masks of the store (default: '
        'DST/<model>/least_trusted.png); tools/mask_sheet.py does the same',
    )
    parser.add_argument(
        '--review',
        type=Path,
        metavar='DIR',
        help='afterwards, write a page with all flagged images, to sort, filter and judge',
    )
