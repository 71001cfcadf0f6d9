"""The base class of the package's errors, so that a caller can tell them from a fault of ours."""

from __future__ import annotations

__all__ = ['ArgumentError', 'BgremovalError']


class BgremovalError(Exception):
    """An error whose message explains what is wrong: a file, an argument, a device."""


class ArgumentError(BgremovalError, ValueError):
    """An argument has a value that is not allowed, or two arguments do not go together."""
