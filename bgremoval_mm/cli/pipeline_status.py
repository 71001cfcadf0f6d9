"""What `bgremoval pipeline status` prints: how many uploads stand where, and the history of one."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from bgremoval_mm.cli.errors import FAILED, OK
from bgremoval_mm.utils.text import printable

if TYPE_CHECKING:
    from bgremoval_mm.pipeline.queue import UploadQueue

__all__ = ['print_counts', 'print_status']

_LISTED = 20


def print_status(queue: UploadQueue, name: str | None, as_json: bool) -> int:
    """Print where the uploads stand, or the history of one; return 1 if any has failed."""
    from bgremoval_mm.pipeline.states import State

    if name is not None:
        return _print_history(queue, name)
    if as_json:
        listed = [
            {
                key: getattr(each, key)
                for key in ('name', 'version', 'state', 'route', 'model', 'reasons', 'result')
            }
            for each in queue.uploads()
        ]
        counts = queue.counts()
        print(json.dumps({'counts': counts, 'uploads': listed}, indent=2))
        return FAILED if counts[State.FAILED] else OK
    return FAILED if print_counts(queue) else OK


def print_counts(queue: UploadQueue) -> bool:
    """Print how many uploads stand where, and why some are not published.

    Returns:
        Whether any has failed.

    Raises:
        DatabaseError: If the database does not answer.
    """
    from sqlalchemy.exc import OperationalError

    from bgremoval_mm.pipeline.database import explained

    try:
        return _print_counts(queue)
    except OperationalError as err:
        raise explained(err) from err


def _print_counts(queue: UploadQueue) -> bool:
    from bgremoval_mm.pipeline.states import State

    counts = queue.counts()
    print(', '.join(f'{number} {state}' for state, number in counts.items() if number) or 'empty')
    for state in (State.REVIEW, State.FAILED):
        listed = queue.uploads(state)
        for each in listed[:_LISTED]:
            reason = each.reasons or queue.history(each.id)[-1].reason
            print(f'  {state}: {printable(each.name)}: {printable(reason)}')
        if len(listed) > _LISTED:
            print(f'  ... and {len(listed) - _LISTED} more in {state}')
    return counts[State.FAILED] > 0


def _print_history(queue: UploadQueue, name: str) -> int:
    from datetime import UTC, datetime

    found = [each for each in queue.uploads() if each.name == name]
    for each in found:
        print(f'{printable(name)}, version {each.version}: {each.state}')
        for change in queue.history(each.id):
            at = datetime.fromtimestamp(change.at, UTC).strftime('%Y-%m-%d %H:%M:%S')
            print(f'  {at}  {change.after}: {printable(change.reason)}')
    if not found:
        print(f'{printable(name)}: no such upload', file=sys.stderr)
    return OK if found else FAILED
