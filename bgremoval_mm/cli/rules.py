"""Rules on options that go together, and with SRC and DST, checked before anything is loaded.

No option is accepted and then ignored.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from bgremoval_mm.cli.arguments import FORMAT_OF_SUFFIX
from bgremoval_mm.cli.result_arguments import check_finish
from bgremoval_mm.removal.io.addresses import is_url
from bgremoval_mm.removal.zoo.catalogue import get_model

__all__ = [
    'check_arguments',
    'check_bench_arguments',
    'check_one',
    'check_watch',
    'find_source',
    'goes_to_file',
]

# What only a job over a folder can do, by the name in the namespace.
_OF_FOLDERS = (
    'batch_size', 'overwrite', 'checksum', 'mask_dir', 'second_model', 'shard', 'engine', 'workers',
    'sheet', 'review',
)  # fmt: skip
_NOT_OF_WATCH = ('sheet', 'review', 'shard')
_FLAGS = {'mask_dir': '--masks', 'file_format': '--format', 'num_threads': '--threads'}
# E.g. `.tiff` and `.pgn`, but neither `.v2` nor `.2024`, which folders are named with.
_FILE_SUFFIX = re.compile(r'\.[a-z][a-z0-9]{2,4}')


def goes_to_file(parser: argparse.ArgumentParser, args: argparse.Namespace) -> bool:
    """Return whether DST of `remove` is a file; refuse a DST that cannot be what was meant."""
    src, dst = args.src, args.dst
    if dst == '-':
        to_file = True
    elif is_url(dst) or dst.endswith('/') or Path(dst).is_dir():
        to_file = False
    else:
        to_file = Path(dst).suffix.lower() in FORMAT_OF_SUFFIX
    if to_file and is_url(src):
        parser.error(f'images at addresses go to a folder or an address, but DST is {dst}')
    if src == '-' and not to_file:
        parser.error(
            'one image from standard input goes to a file: give DST with its suffix, '
            f'{", ".join(FORMAT_OF_SUFFIX)}'
        )
    if to_file and src != '-' and Path(src).is_dir():
        parser.error(f'SRC is a folder, so DST must be one, but got {dst}')
    if to_file or Path(src).is_dir() or dst.endswith('/') or Path(dst).is_dir():
        return to_file
    if _FILE_SUFFIX.fullmatch(Path(dst).suffix.lower()):
        parser.error(
            f'DST must end in one of {", ".join(FORMAT_OF_SUFFIX)}, or be a folder, but got {dst}. '
            f'If a folder of that name is meant: {dst}/'
        )
    return to_file


def check_one(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what does not go together for one image to one file."""
    _refuse(parser, args, _OF_FOLDERS, 'is for folders, but SRC and DST are one image')
    _check_options(parser, args)
    if args.output == 'store':
        parser.error('--output store is for folders')
    if args.src == '-' and sys.stdin.isatty():
        parser.error('give SRC and DST, or an image on standard input')
    if args.dst == '-':
        if sys.stdout.isatty():
            parser.error('standard output is a terminal: give DST, or redirect it')
        return
    of_suffix = FORMAT_OF_SUFFIX[Path(args.dst).suffix.lower()]
    if args.file_format not in (None, of_suffix):
        parser.error(f'--format {args.file_format} does not go with DST, {args.dst}')
    args.file_format = of_suffix
    _check_jpeg(parser, args)
    if _is_same(args.src, args.dst):
        parser.error(f'DST is SRC: the photo would be lost. Choose another name than {args.dst}')


def check_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what does not go together for a folder."""
    _check_options(parser, args)
    remote = is_url(args.src) or is_url(args.dst)
    if args.sheet is not None and args.output != 'store':
        parser.error('--sheet shows a mask store: it goes with --output store only')
    if remote and (args.sheet is not None or args.review is not None):
        parser.error('--sheet and --review need SRC and DST on this machine')
    if args.workers is not None and args.engine != 'ray':
        parser.error('--workers goes with --engine ray only')
    if args.mask_dir is not None:
        if args.output == 'store':
            parser.error('--masks takes masks that were made before, --output store makes them')
        _refuse(parser, args, ['second_model'], 'compares masks that are made: not with --masks')
    if args.output == 'store' and args.file_format not in (None, 'png'):
        parser.error(f"a store's masks are PNG files, but got --format {args.file_format}")
    if not remote:
        _check_folder(parser, args)
    if args.sheet is True:
        args.sheet = Path(args.dst) / get_model(args.model).name / 'least_trusted.png'


def check_watch(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what does not go together with --watch."""
    if not Path(args.src).is_dir():
        parser.error(f'--watch needs a folder, but SRC is {args.src}')
    _refuse(parser, args, _NOT_OF_WATCH, 'needs a job that ends: not with --watch')
    check_arguments(parser, args)


def check_bench_arguments(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse what does not go together for a measurement."""
    _check_jpeg(parser, args)
    if args.output == 'store' and args.file_format != 'png':
        parser.error(f"a store's masks are PNG files, but got --format {args.file_format}")
    int8 = args.settings is None or any(each.endswith(':int8') for each in args.settings)
    if args.calibration is not None and not int8:
        parser.error('--calibration is for int8, but no setting of --settings has it')


def find_source(src: str) -> None:
    """Check that SRC is there.

    Raises:
        OSError: If it is not, or is not to be seen.
    """
    if is_url(src):
        return
    try:
        os.lstat(src)
    except FileNotFoundError:
        msg = f'there is no {src}'
        raise FileNotFoundError(msg) from None


def _check_options(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse options that are of no use without another one."""
    if args.fill is not None and args.output != 'rgb':
        parser.error(f'--fill goes with --output rgb only, but --output is {args.output}')
    if args.calibration is not None and args.precision != 'int8':
        parser.error('--calibration goes with --precision int8 only')
    _check_jpeg(parser, args)
    check_finish(parser, args)


def _check_jpeg(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if args.file_format == 'jpeg' and args.output == 'rgba':
        parser.error('JPEG has no transparency: add --output rgb, with --fill for the colour')
    if args.file_format == 'jpeg' and args.output == 'mask':
        parser.error('JPEG blurs masks: take PNG or WebP')


def _check_folder(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Refuse a DST that is a file, or that would put results among the photos."""
    if Path(args.dst).exists() and not Path(args.dst).is_dir():
        parser.error(f'DST must be a folder, but {args.dst} is none')
    if Path(args.src).is_file() and _is_same(Path(args.src).parent, args.dst):
        parser.error(
            f'DST is the folder of {args.src}: the result would be taken for a photo by the next '
            'run. Choose another folder, or name a file'
        )


def _refuse(
    parser: argparse.ArgumentParser,
    args: argparse.Namespace,
    names: tuple[str, ...] | list[str],
    reason: str,
) -> None:
    for name in names:
        if getattr(args, name) is not None:
            flag = _FLAGS.get(name, '--' + name.replace('_', '-'))
            parser.error(f'{flag} {reason}')


def _is_same(one: str | Path, other: str | Path) -> bool:
    """Return whether both are one file or folder, through links too; ``-`` is standard input."""
    try:
        status = os.fstat(sys.stdin.fileno()) if one == '-' else Path(one).stat()
        return os.path.samestat(status, Path(other).stat())
    except (OSError, ValueError, AttributeError):  # not there, or standard input is not a file
        return False
