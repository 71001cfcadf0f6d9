"""Limits: what the service accepts, and for how long it works on it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['Limits']


@dataclass(frozen=True)
class Limits:
    """What the service accepts of a request, and how many it works on.

    Attributes:
        max_bytes: Largest picture file, checked while it is received.
        max_pixels: Largest picture and largest result, checked before they are decoded or made.
        queue: Requests that are under way at once, being received, worked on or answered; further
            ones are refused with status 503.
        upload_seconds: Time within which a request must have been received, else status 408, and
            within which its answer must be taken, else the connection is closed.
        seconds: Time within which a received request is answered, else status 504.

    Raises:
        ArgumentError: If one of them is not a positive number.
    """

    max_bytes: int = 25 * 1024**2
    max_pixels: int = 50_000_000
    queue: int = 64
    upload_seconds: float = 30.0
    seconds: float = 60.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            whole = each.type == 'int'
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
                value = 0
            if value <= 0:
                kind = 'a positive int' if whole else 'a positive number of seconds'
                msg = f'`{each.name}` must be {kind}, but got {getattr(self, each.name)!r}'
                raise ArgumentError(msg)
