"""Standard output, standard error and the log, as commands use them."""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from bgremoval_mm.utils.text import printable

__all__ = ['escape_lines', 'log_to_stderr', 'prepare', 'quiet']


def prepare(own_process: bool = True) -> None:
    """Let no character end the program, and no message forge a line.

    A stream that cannot encode a character shows its number instead: in a locale such as C or
    ISO-8859-1 not all names can be written.

    Args:
        own_process: Whether Python runs for this program alone; then a traceback that ends it is
            escaped too, and streams that the caller has closed are opened on nothing.
    """
    if own_process:
        _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')
    if own_process:
        sys.excepthook = _show


def _open_closed() -> None:
    """Keep the numbers of closed standard streams from the files that are opened next.

    Standard output then refuses what is written, since a result would be lost; messages go nowhere.
    """
    for name, flags in (('stdin', os.O_RDONLY), ('stdout', os.O_RDONLY), ('stderr', os.O_WRONLY)):
        if getattr(sys, name) is None:
            mode = 'r' if name == 'stdin' else 'w'
            setattr(sys, name, os.fdopen(os.open(os.devnull, flags), mode))


def log_to_stderr() -> None:
    """Show what the engine logs, a line a message."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine('%(message)s'))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def escape_lines(text: object) -> str:
    """Escape a text of several lines, such as the end of a log, each line for itself."""
    return '\n'.join(map(printable, str(text).split('\n')))


@contextmanager
def quiet() -> Iterator[None]:
    """Show only warnings of mmengine's, and on standard error: results go to standard output."""
    warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
    logging.getLogger('faiss').setLevel(logging.WARNING)  # it lists the builds that it tries
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    handlers = [each for each in logger.handlers if type(each) is logging.StreamHandler]
    before = logger.level, [each.stream for each in handlers]
    logger.setLevel('WARNING')
    for handler in handlers:
        handler.stream = sys.stderr
    try:
        yield
    finally:
        logger.setLevel(before[0])
        for handler, stream in zip(handlers, before[1], strict=True):
            handler.stream = stream


class _OneLine(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return printable(super().formatMessage(record))


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    text = ''.join(traceback.format_exception(kind, error, trace)).rstrip()
    print(escape_lines(text), file=sys.stderr)
