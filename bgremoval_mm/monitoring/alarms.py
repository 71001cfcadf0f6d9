"""Alarms: each change of a mean is recorded once, and each drop is sent to a webhook once."""

from __future__ import annotations

import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from bgremoval_mm.monitoring.shifts import WEEK, Found, Key
from bgremoval_mm.pipeline.tables import Shift
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError

__all__ = [
    'WebhookError',
    'check_webhook',
    'describe',
    'known_shifts',
    'last_known',
    'record',
    'send_due',
]

logger = logging.getLogger(__name__)

_TIMEOUT = 10.0  # seconds for an answer
_PAUSES = (1.0, 4.0)  # seconds between tries of one run
_CLAIM = 120.0  # seconds for which a process that sends has an alarm for itself


class WebhookError(BgremovalError):
    """A webhook does not take an alarm; the next run tries again."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes a redirection for an error: the body of a POST would be lost on the way."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def known_shifts(engine: Engine) -> list[Shift]:
    """Return all changes that are recorded, in the order of time."""
    with Session(engine, expire_on_commit=False) as session:
        return list(session.scalars(select(Shift).order_by(Shift.period, Shift.id)))


def last_known(engine: Engine) -> dict[Key, int]:
    """Return the week of the last change by cluster and model, for `find_shifts`."""
    return {(row.cluster, row.model): row.period for row in known_shifts(engine)}


def record(engine: Engine, found: Found, now: float) -> bool:
    """Record a change; return whether no other process has done so before."""
    row = Shift(
        cluster=found.cluster,
        model=found.model,
        period=found.period,
        since=found.since,
        before=found.before,
        after=found.after,
        p_value=found.p_value,
        found=now,
    )
    try:
        with Session(engine) as session, session.begin():
            session.add(row)
    except IntegrityError:
        return False
    return True


def describe(row: Shift | Found) -> str:
    """Return a change in one line."""
    since = time.strftime('%Y-%m-%d', time.gmtime(row.since * WEEK))
    verb = 'fell' if row.after < row.before else 'rose'
    return (
        f'{row.cluster}, {row.model}: the mean IoU of reviewed masks {verb} from {row.before:.3f} '
        f'to {row.after:.3f} in the week of {since} (p = {row.p_value:.1g})'
    )


def check_webhook(url: str) -> str:
    """Return the address of a webhook.

    Raises:
        ArgumentError: If it is not one.
    """
    parts = urlsplit(url)
    if parts.scheme not in ('http', 'https') or not parts.hostname:
        msg = f'`webhook` must be an address such as https://host/path, but got {_shown(url)!r}'
        raise ArgumentError(msg)
    return url


def send_due(
    engine: Engine,
    url: str,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], Any] = time.sleep,
) -> int:
    """Send each drop that no webhook has taken yet; return how many it took.

    A drop counts as taken once the answer's status is 2xx, and is never sent again. If the answer
    got lost, it is sent again with the same ``id``, by which a receiver knows it.

    Args:
        engine: The pipeline's database.
        url: Where to.
        clock: Returns the seconds since the epoch.
        pause: Waits for some seconds.

    Raises:
        WebhookError: If it does not take one, after three tries.
    """
    taken = 0
    while (row := _claim(engine, clock())) is not None:
        try:
            _post(url, _payload(row), pause)
        except WebhookError:
            _mark(engine, row.id, sending_until=0.0)
            raise
        _mark(engine, row.id, sent=clock(), sending_until=0.0)
        taken += 1
    return taken


def _claim(engine: Engine, now: float) -> Shift | None:
    with Session(engine, expire_on_commit=False) as session, session.begin():
        row = session.scalar(
            select(Shift)
            .where(Shift.sent == 0, Shift.after < Shift.before, Shift.sending_until <= now)
            .order_by(Shift.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if row is not None:
            row.sending_until = now + _CLAIM
        return row


def _mark(engine: Engine, shift: int, **values: float) -> None:
    with Session(engine) as session, session.begin():
        row = session.get_one(Shift, shift)
        for name, value in values.items():
            setattr(row, name, value)


def _payload(row: Shift) -> dict[str, Any]:
    return {
        'id': f'drop-{row.id}',
        'kind': 'drop of IoU',
        'text': describe(row),
        **{name: getattr(row, name) for name in ('cluster', 'model', 'before', 'after', 'p_value')},
        'since': row.since * WEEK,
        'found': row.found,
    }


def _post(url: str, payload: dict[str, Any], pause: Callable[[float], Any]) -> None:
    body = json.dumps(payload).encode()
    headers = {'Content-Type': 'application/json', 'Idempotency-Key': payload['id']}
    opener = urllib.request.build_opener(_NoRedirect)
    for wait in (*_PAUSES, None):
        request = urllib.request.Request(url, body, headers, method='POST')
        try:
            with opener.open(request, timeout=_TIMEOUT):
                return
        except urllib.error.HTTPError as err:
            reason = f'status {err.code}'
        except (OSError, ValueError) as err:
            reason = str(getattr(err, 'reason', None) or err)
        except Exception as err:  # noqa: BLE001  # http.client has errors of its own
            reason = type(err).__name__
        if wait is not None:
            logger.warning('the webhook at %s answers: %s; trying again', _shown(url), reason)
            pause(wait)
    msg = f'the webhook at {_shown(url)} did not take an alarm: {reason}; the next run tries again'
    raise WebhookError(msg)


def _shown(url: str) -> str:
    """Return scheme and host of an address, whose path may be a secret."""
    parts = urlsplit(url)
    return f'{parts.scheme}://{parts.hostname}' if parts.hostname else url.partition('?')[0][:40]
