"""RequestError: why a request is refused, as its client is told."""

from __future__ import annotations

from typing import Any

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.utils.text import printable

__all__ = ['RequestError']


class RequestError(BgremovalError):
    """A request that is refused.

    Attributes:
        status: HTTP status code.
        code: What a program tells the reason by, such as ``'file_too_large'``.
        title: The reason in one sentence.
        detail: More about it: what is allowed, and what came.
        headers: Headers of the answer, such as Retry-After.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str = '',
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail or title)
        self.status = status
        self.code = code
        self.title = printable(title)
        self.detail = printable(detail)
        self.headers = headers or {}

    def __reduce__(self) -> tuple[Any, ...]:
        return RequestError, (self.status, self.code, self.title, self.detail, self.headers)

    def body(self) -> dict[str, Any]:
        """Return the answer's JSON, in the form of remove.bg's."""
        error = {'title': self.title, 'code': self.code}
        return {'errors': [error | ({'detail': self.detail} if self.detail else {})]}
