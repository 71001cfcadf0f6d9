"""Which requests may reach the service: from its own page or a program, with a token if need be."""

from __future__ import annotations

from collections.abc import Mapping

from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.hosts import check_host, check_site
from bgremoval_mm.serving.tokens import Tokens

__all__ = ['Guard']

_MARK = 'x-review'


class Guard:
    """Refuses requests without a token, and those that pages of other sites have sent.

    A browser sends what any page asks it to, with the rights of the person before it. So a request
    that changes something must have the header ``X-Review``, which a page of another site cannot
    set without asking first (and nobody answers such questions), and if the browser says which
    page it comes from, that must be ours. Without tokens, names of hosts other than this machine's
    are refused, too: a site could have its own name lead to this machine, and be "the same origin".

    Args:
        tokens: Of which a request needs one.
        any_host: Allow every name of the host without tokens, as when others are to be let in.
    """

    def __init__(self, tokens: Tokens, any_host: bool) -> None:
        self._tokens = tokens
        self._any_host = any_host or tokens.are_needed

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Let a request in that was sent to a name of this machine.

        Raises:
            RequestError: With status 403.
        """
        if not self._any_host:
            check_host(headers)

    def check(self, headers: Mapping[str, str]) -> None:
        """Let a request in that reads.

        Raises:
            RequestError: With status 401 or 403.
        """
        self.check_host(headers)
        self._tokens.check(headers)

    def check_change(self, headers: Mapping[str, str]) -> None:
        """Let a request in that changes something.

        Raises:
            RequestError: With status 401 or 403.
        """
        self.check(headers)
        check_site(headers)
        if _MARK not in headers:
            detail = 'programs send the header "X-Review: 1"'
            raise RequestError(403, 'no_mark', 'The request lacks a header', detail)
