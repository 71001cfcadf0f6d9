"""What becomes of an exception: one line, or its traceback; and the exit codes of all commands.

Exceptions whose message explains what is wrong are told in one line. Everything else is a fault of
the program: it is not caught, so that its traceback says where.
"""

from __future__ import annotations

import argparse
import os
import re
import select
import signal
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from bgremoval_mm.cli import signals
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.utils.text import printable

__all__ = [
    'FAILED',
    'OK',
    'OPENMMLAB',
    'add_debug_argument',
    'ending_in_one_line',
    'guarded',
    'is_expected',
    'print_error',
    'writing_to',
]

OK, FAILED = 0, 1
# Who checks what it was given by these, instead of an error of its own.
OPENMMLAB = ('mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'mmseg')
_CHECKS = (ValueError, RuntimeError, AssertionError)
# What torch makes of an error in a worker process of a DataLoader.
_OF_WORKER = re.compile(r'Caught \w+ in [^\n]*\.\nOriginal Traceback ')


def guarded(work: Callable[[], int], debug: bool = False, checked_by: Collection[str] = ()) -> int:
    """Do a command's work; return its exit code.

    Args:
        work: Returns the exit code, if nothing is raised.
        debug: Let every error through, so that its traceback is seen.
        checked_by: See `is_expected`.

    Returns:
        That of `work`; 1 after an expected error; 130 after Ctrl-C, 143 after SIGTERM; 141 if the
        reader of standard output has gone, as ``head`` does.
    """
    try:
        code = work()
        sys.stdout.flush()
    except signals.Terminated:
        return _stopped(signal.SIGTERM)
    except KeyboardInterrupt:
        return _stopped(signal.SIGINT)
    except SystemExit as err:
        if err.code == signal.SIGTERM:  # of Ray's own handler, which it puts in place of ours
            return _stopped(signal.SIGTERM)
        raise
    except Exception as err:
        if (number := signals.received()) is not None:
            return _stopped(number)  # somebody made an error of their own of it
        if isinstance(err, BrokenPipeError) and _stdout_is_gone():
            return signals.exit_code(signal.SIGPIPE)
        if debug or not is_expected(err, checked_by):
            raise
        refused = _refusal_of_stdout()
        is_of_it = type(err) is OSError and err.filename is None
        print_error(refused if refused and is_of_it else err)
        return FAILED
    return code


@contextmanager
def writing_to(target: str) -> Iterator[None]:
    """Name what cannot be written to.

    Raises:
        BgremovalError: In the place of an OSError, unless a reader has gone.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as err:
        msg = f'cannot write to {target}: {err.strerror or err}'
        raise BgremovalError(msg) from err


@contextmanager
def ending_in_one_line(program: str, debug: bool) -> Iterator[None]:
    """End the program with one line after an expected error, for the stock training tools.

    Under torchrun these let other errors through, so that its summary has them.

    Args:
        program: Name for the line.
        debug: Let every error through.

    Raises:
        SystemExit: In the place of an expected error.
    """
    try:
        yield
    except Exception as err:
        if debug or not is_expected(err, OPENMMLAB):
            raise
        msg = f'{program}: error: {printable(err)}'
        raise SystemExit(msg) from None


def is_expected(error: Exception, checked_by: Collection[str] = ()) -> bool:
    """Return whether the message of an error explains to a user what is wrong.

    These are the package's own errors, the operating system's, a package that is not installed, and
    a plain ValueError that the package's own code raises; one out of a library is a fault.

    Args:
        error: The error.
        checked_by: Libraries that read what users write, such as a config: what they raise as
            ValueError, RuntimeError or AssertionError tells what is wrong there.
    """
    if isinstance(error, (BgremovalError, OSError)):
        return True
    if isinstance(error, ImportError):
        return not (error.name or '').startswith('bgremoval_mm')
    raiser = _raiser(error)
    if raiser == 'bgremoval_mm':
        return type(error) is ValueError
    return raiser in checked_by and isinstance(error, _CHECKS)


def print_error(error: object) -> None:
    """Print an error, or a sentence, as one line."""
    print(f'error: {printable(_message(error)) or type(error).__name__}', file=sys.stderr)


def _message(error: object) -> str:
    """Return the message of an error; of one in a worker process, without its traceback."""
    text = str(error)
    if not _OF_WORKER.match(text):
        return text
    lines = text.rstrip().split('\n')
    # The frames are indented; behind them comes what `str` would give, and the notes.
    end = max(number for number, line in enumerate(lines) if line.startswith('  '))
    return '; '.join(re.sub(r'^[\w.]+: ', '', line) for line in lines[end + 1 :])


def _raiser(error: Exception) -> str:
    """Return the top package of the code that raised it."""
    if _OF_WORKER.match(str(error)):
        *_, file = re.findall(r'^  File "(.*)", line \d+', str(error), re.MULTILINE)
        parts = Path(file).parts
        return next((each for each in ('bgremoval_mm', *OPENMMLAB) if each in parts[:-1]), '')
    trace: TracebackType | None = error.__traceback__
    name = ''
    while trace is not None:
        name = trace.tb_frame.f_globals.get('__name__', '')
        trace = trace.tb_next
    return name.partition('.')[0]


def _stopped(number: int) -> int:
    signals.say(number)
    return signals.exit_code(number)


def _stdout_is_gone() -> bool:
    """Whether standard output has no reader; if so, nothing more is written to it."""
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):
        return False
    poll = select.poll()
    poll.register(number, 0)
    if not any(events & select.POLLERR for _, events in poll.poll(0)):
        return False
    _drop_output(number)
    return True


def _refusal_of_stdout() -> str:
    """Why standard output takes nothing, as on a full disk; empty if it does."""
    try:
        sys.stdout.flush()
    except OSError as err:
        _drop_output(sys.stdout.fileno())
        return f'cannot write to standard output: {err.strerror or err}'
    return ''


def _drop_output(number: int) -> None:
    # The interpreter writes what is left when it ends, and would complain.
    with Path(os.devnull).open('wb') as nowhere:
        os.dup2(nowhere.fileno(), number)


def add_debug_argument(parser: argparse.ArgumentParser) -> None:
    """Add the switch that shows where an error came from."""
    parser.add_argument('--debug', action='store_true', help='show the traceback of any error')
