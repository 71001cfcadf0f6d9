"""The frame of the scripts in ``tools/``, and the options that several of them take."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgremoval_mm.cli import console
from bgremoval_mm.cli.argument_types import at_least
from bgremoval_mm.cli.errors import OPENMMLAB, add_debug_argument, guarded
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.utils.allocator import FOR_NETWORKS, keep_freed_memory

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    'add_config_options',
    'add_number_argument',
    'add_seed_argument',
    'add_sheet_argument',
    'read_pixels',
    'run_script',
    'script_parser',
]


def script_parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser that shows a module's docstring as it is written, with ``--debug``."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_debug_argument(parser)
    return parser


def run_script(
    work: Callable[[argparse.Namespace], int], args: argparse.Namespace, argv: list[str] | None
) -> int:
    """Do a script's work; return its exit code, as `errors.guarded` does.

    Args:
        work: Takes the arguments and returns the exit code.
        args: The arguments.
        argv: What the script's ``main`` was given: None if it is a program of its own.
    """
    console.prepare(own_process=argv is None)
    if argv is None:
        keep_freed_memory(FOR_NETWORKS)
    # mmengine's, once for every config that is read.
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    return guarded(lambda: work(args), args.debug, OPENMMLAB)


def read_pixels(path: Path) -> np.ndarray:
    """Return a photo's pixels, uint8 of shape (H, W, 3), RGB.

    Raises:
        BgremovalError: If it cannot be read; the message begins with its name.
    """
    from bgremoval_mm.removal.images.reading import ImageError, read_image

    try:
        return read_image(path).rgb
    except ImageError as err:
        msg = f'{path}: {err}'
        raise BgremovalError(msg) from err


def add_config_options(parser: argparse.ArgumentParser, about: str) -> None:
    """Add ``--cfg-options KEY=VALUE ...``, as the stock tools have it."""
    from mmengine.config import DictAction

    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help=about
    )


def add_number_argument(
    parser: argparse.ArgumentParser, name: str, default: int | None, about: str, least: int = 1
) -> None:
    """Add an option for a whole number that is not below `least`."""
    shown = 'all' if default is None else default
    about = f'{about} (default: {shown})'
    parser.add_argument(name, type=at_least(least), default=default, help=about)


def add_seed_argument(parser: argparse.ArgumentParser, about: str) -> None:
    """Add ``--seed``."""
    add_number_argument(parser, '--seed', 0, about, least=0)


def add_sheet_argument(
    parser: argparse.ArgumentParser, default: str, suffixes: Sequence[str] = ('.png', '.jpg')
) -> None:
    """Add ``--out`` for a picture sheet; ``named`` says whether the user gave it."""
    parser.add_argument(
        '--out',
        action=_StoreSheet,
        default=Path(default),
        metavar='FILE',
        suffixes=tuple(suffixes),
        help=f'the sheet, {" or ".join(suffixes)} (default: {default})',
    )
    parser.set_defaults(named=False)


class _StoreSheet(argparse.Action):
    """Stores a file's path, if a picture can have its suffix."""

    def __init__(self, *args: Any, suffixes: tuple[str, ...], **options: Any) -> None:
        super().__init__(*args, **options)
        self.suffixes = suffixes

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        suffix = Path(values).suffix.lower().replace('.jpeg', '.jpg')
        if suffix not in self.suffixes:
            allowed = ' or '.join(self.suffixes)
            parser.error(f'{option_string} must end in {allowed}, but got {values}')
        namespace.out, namespace.named = Path(values), True
