"""How a demo ends: its exit code, and what it says where it has not come to its end."""

from __future__ import annotations

import sys
from collections.abc import Callable

from bgremoval_mm.cli.console import escape_lines
from bgremoval_mm.cli.errors import is_expected

__all__ = ['guarded']


def guarded(run: Callable[[], object], debug: bool = False, advice: str = '') -> int:
    """Run a demo; return its exit code: 1 after an expected error, 130 after Ctrl-C.

    An error's message may have several lines, such as the end of a log, unlike those of the
    commands.

    Args:
        run: Takes all steps of the demo.
        debug: Let every error through, so that its traceback is seen.
        advice: What to do after Ctrl-C.
    """
    try:
        run()
    except KeyboardInterrupt:
        print(f'\nInterrupted. {advice}'.rstrip(), file=sys.stderr)
        return 130
    except Exception as err:
        if debug or not is_expected(err):
            raise
        print(f'\nThe demo failed: {escape_lines(err)}', file=sys.stderr)
        return 1
    return 0
