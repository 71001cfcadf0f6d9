"""What all commands of `bgremoval pipeline` share: its folder, its database, its routes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bgremoval_mm.cli import arguments
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.pipeline.files import PipelineFiles
    from bgremoval_mm.pipeline.queue import UploadQueue
    from bgremoval_mm.pipeline.routes import Routes

__all__ = [
    'add_root',
    'add_routes_argument',
    'check_root',
    'open_queue',
    'open_root',
    'routes_of',
]


def add_root(parser: argparse.ArgumentParser) -> None:
    """Add the folder and the database."""
    parser.add_argument(
        'root', type=Path, metavar='ROOT', help='folder of the pipeline, shared by its workers'
    )
    parser.add_argument(
        '--database',
        metavar='URL',
        help='sqlite:///PATH (default: pipeline.db in ROOT), for workers on one machine; or '
        'postgresql+psycopg://USER:PASSWORD@HOST/NAME',
    )
    arguments.add_debug_argument(parser)


def add_routes_argument(parser: argparse.ArgumentParser) -> None:
    """Add the file of routes."""
    parser.add_argument(
        '--routes', type=Path, metavar='FILE.toml', help='model, output and gate by product type'
    )


def check_root(root: Path) -> None:
    """Check that there is a pipeline; nothing is made.

    Raises:
        BgremovalError: If there is none.
    """
    from bgremoval_mm.pipeline.files import is_pipeline
    from bgremoval_mm.removal.errors import BgremovalError

    if not is_pipeline(root):
        msg = f'{printable(root)}: there is no pipeline; `bgremoval pipeline run` begins one'
        raise BgremovalError(msg)


def open_root(args: argparse.Namespace) -> tuple[UploadQueue, PipelineFiles]:
    """Open the database and the folder; `run` and `work` make them.

    Raises:
        BgremovalError: If there is no such pipeline, or its database cannot be opened.
        ModuleNotFoundError: If the extra `pipeline` is not installed.
    """
    try:
        import bgremoval_mm.pipeline.queue  # noqa: F401
    except ModuleNotFoundError as err:
        msg = f'the pipeline needs {err.name}: `pip install "bgremoval_mm[pipeline]"`'
        raise ModuleNotFoundError(msg, name=err.name) from None
    from bgremoval_mm.pipeline.files import PipelineFiles

    if args.step not in ('run', 'work'):
        check_root(args.root)
    files = PipelineFiles(args.root)
    return _open_database(args), files


def open_queue(args: argparse.Namespace) -> UploadQueue:
    """Open the database of a pipeline that is there; its folder is not made.

    Raises:
        BgremovalError: If there is no such pipeline, or its database cannot be opened.
    """
    check_root(args.root)
    return _open_database(args)


def _open_database(args: argparse.Namespace) -> UploadQueue:
    from bgremoval_mm.pipeline.queue import UploadQueue

    url = args.database or f'sqlite:///{(args.root / "pipeline.db").absolute()}'
    return UploadQueue(url, getattr(args, 'lease', 300))


def routes_of(args: argparse.Namespace) -> Routes:
    """Read the routes, or return the default one.

    Raises:
        RouteError: If the file is not one of routes.
    """
    from bgremoval_mm.pipeline.routes import Routes, read_routes

    return Routes() if args.routes is None else read_routes(args.routes)
