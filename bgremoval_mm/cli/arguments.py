"""The options of the commands, and which of them go together.

An option that a rule is about has the default None, so that it is known whether it was given; its
real default is that of EngineOptions, OutputOptions or JobOptions, whose field has the name in the
namespace. Imports nothing heavy: `--help` and a typing error are answered at once.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from bgremoval_mm.cli.errors import add_debug_argument
from bgremoval_mm.cli.result_arguments import add_result_arguments, framing_of
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options import (
    BACKENDS,
    ENGINES,
    FILE_FORMATS,
    OUTPUTS,
    PRECISIONS,
    EngineOptions,
    JobOptions,
    OutputOptions,
    Shard,
)
from bgremoval_mm.removal.options.values import DEVICE
from bgremoval_mm.removal.zoo.catalogue import CATALOGUE, is_model_file
from bgremoval_mm.utils.text import printable

__all__ = [
    'FORMAT_OF_SUFFIX',
    'Parser',
    'add_bench_arguments',
    'add_command',
    'add_debug_argument',
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


class Parser(argparse.ArgumentParser):
    """Parser that says what is wrong in one line, whatever was typed."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2."""
        self.exit(2, f'{self.prog}: error: {printable(message)} (see {self.prog} --help)\n')

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # A path of no letters would be the current folder: a shell makes one of an unset variable.
        whole_command = action.nargs == argparse.PARSER  # whose own parser looks at each word
        if '' in arg_strings and action.default != '' and not whole_command:
            raise argparse.ArgumentError(action, "must not be empty, but got ''")
        return super()._get_values(action, arg_strings)


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
        type=_setting,
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


def model_name(text: str) -> str:
    """Return what names a model: an entry of the catalogue, or a file that ends in .onnx."""
    if text not in CATALOGUE and not is_model_file(text):
        msg = f'must be one of {", ".join(CATALOGUE)}, or an .onnx file, but got {text!r}'
        raise argparse.ArgumentTypeError(msg)
    return text


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


def at_least(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return a type of whole numbers that are not smaller, and not larger than `most`."""
    allowed = f'{least} or more' if most is None else f'from {least} to {most}'

    def number(text: str) -> int:
        found = int(text) if re.fullmatch(r'[+-]?\d+', text) else least - 1
        if found < least or (most is not None and found > most):
            msg = f'must be a whole number, {allowed}, but got {text!r}'
            raise argparse.ArgumentTypeError(msg)
        return found

    return number


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
    parser.add_argument(
        '--device', type=device_name, default='auto', help='auto (default), cpu, cuda or cuda:N'
    )
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
        type=_shard,
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


def device_name(text: str) -> str:
    """Return the device of ``--device``."""
    if not DEVICE.fullmatch(text):
        msg = f'must be auto, cpu, cuda or cuda:N, but got {text!r}'
        raise argparse.ArgumentTypeError(msg)
    return text


def _shard(text: str) -> str:
    try:
        Shard.parse(text)
    except ArgumentError:
        msg = f'must be I/N with I from 1 to N, such as 3/8, but got {text!r}'
        raise argparse.ArgumentTypeError(msg) from None
    return text


def _setting(text: str) -> str:
    backend, colon, precision = text.partition(':')
    if text != 'rembg' and not (colon and backend in BACKENDS and precision in PRECISIONS):
        msg = (
            'must be "rembg", or BACKEND:PRECISION with a backend of '
            f'{", ".join(BACKENDS)} and a precision of {", ".join(PRECISIONS)}, but got {text!r}'
        )
        raise argparse.ArgumentTypeError(msg)
    return text
