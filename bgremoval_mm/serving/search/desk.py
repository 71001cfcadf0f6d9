"""SearchDesk: queries in, what was found out; one query at a time."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.search.folder import SearchIndexError
from bgremoval_mm.serving.engine import read_picture
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.serving.search.pictures import as_address, read_thumbnail

if TYPE_CHECKING:
    from bgremoval_mm.search.query import Searcher

__all__ = ['DEFAULT_HITS', 'MOST_HITS', 'SearchDesk']

logger = logging.getLogger(__name__)

_R = TypeVar('_R')

DEFAULT_HITS, MOST_HITS = 10, 100
_TRIES, _PAUSE = 4, 0.25  # seconds: an index that is being written to can lack a file for a moment
_STATES = 4  # of the index whose photos can be shown: this one, and those of recent answers


class SearchDesk:
    """Searches an index, and shows the photos that are in it.

    The index is opened again whenever it has changed. One thread decodes queries and runs the
    networks, so that one query is in memory at a time; two threads make thumbnails.

    Args:
        searcher: Answers the queries.
        limits: What is accepted.
        k: How many photos are found, unless a request asks for another number.

    Raises:
        ArgumentError: If `k` is not from 1 to 100.
    """

    def __init__(
        self, searcher: Searcher, limits: Limits | None = None, k: int = DEFAULT_HITS
    ) -> None:
        if not 1 <= k <= MOST_HITS:
            msg = f'`k` must be from 1 to {MOST_HITS}, but got {k}'
            raise ArgumentError(msg)
        self.searcher, self.limits, self.k = searcher, limits or Limits(), k
        self._searching = ThreadPoolExecutor(1, thread_name_prefix='search')
        self._drawing = ThreadPoolExecutor(2, thread_name_prefix='thumbnails')
        self._states: dict[str, tuple[Path, list[str]]] = {}
        self._state = ''
        self._remember()

    @property
    def total(self) -> int:
        """Photos in the index."""
        return len(self.searcher.index)

    @property
    def removes(self) -> bool:
        """Whether queries lose their backgrounds, as the photos of the index have."""
        return self.searcher.removal is not None

    def warm_up(self) -> None:
        """Search once, so that what cannot run is an error before anything is served."""
        self.searcher.answer(np.full((64, 64, 3), 255, np.uint8), 1)

    def close(self) -> None:
        """End the threads; what they have begun is not waited for."""
        for pool in (self._searching, self._drawing):
            pool.shutdown(wait=False, cancel_futures=True)

    async def search(self, content: bytes, k: int, shows_query: bool) -> dict[str, Any]:
        """Return what is found, ready for JSON.

        Args:
            content: The query's file.
            k: How many photos.
            shows_query: Also return pictures of the query and its mask.

        Raises:
            RequestError: If it cannot be read or is too large, the index cannot be used any more,
                or time is up.
        """
        return await self._within(self._searching, self._search, content, k, shows_query)

    async def thumbnail(self, state: str, number: str) -> bytes:
        """Return a small JPEG of a photo of the index.

        Args:
            state: State of the index, as the address in an answer has it.
            number: Of the photo in that state, from 0.

        Raises:
            RequestError: If there is no such photo, or it has been deleted, or time is up.
        """
        # A client names no file: what it names is a place in a list of the index.
        root, paths = self._states.get(state, (Path(), []))
        place = int(number) if number.isdecimal() and len(number) < 12 else len(paths)
        if place >= len(paths):
            detail = 'addresses of photos hold for a while: search again'
            raise RequestError(404, 'not_found', 'The index has no such photo', detail)
        return await self._within(self._drawing, read_thumbnail, root / paths[place])

    async def _within(self, pool: ThreadPoolExecutor, work: Callable[..., _R], *args: object) -> _R:
        """Do the work in a thread; what still waits when time is up is not begun."""
        try:
            async with asyncio.timeout(self.limits.seconds):
                return await asyncio.get_running_loop().run_in_executor(pool, work, *args)
        except TimeoutError:
            detail = f'the limit is {self.limits.seconds:g} s'
            raise RequestError(504, 'time_limit', 'The search took too long', detail) from None

    def _search(self, content: bytes, k: int, shows_query: bool) -> dict[str, Any]:
        source = read_picture(content, self.limits.max_pixels)
        self._refresh()
        answer = self.searcher.answer(source.rgb, k)
        found: dict[str, Any] = {
            'photos': self.total,
            'background_removed': self.removes,
            'hits': [
                {
                    'rank': rank,
                    'path': hit.path,
                    'similarity': round(hit.similarity, 6),
                    'thumbnail': f'search/photos/{self._state}/{hit.number}',
                }
                for rank, hit in enumerate(answer.hits, start=1)
            ],
        }
        if note := '; '.join(filter(None, (source.note, answer.note))):
            found['note'] = note
        if shows_query:
            found['query'] = {
                'seen': as_address(answer.seen, 'jpeg'),
                'mask': None if answer.mask is None else as_address(answer.mask, 'png'),
            }
        return found

    def _refresh(self) -> None:
        """Open the index again if it has changed.

        Raises:
            RequestError: If it has been made again by something else, or is damaged.
        """
        for left in reversed(range(_TRIES)):
            try:
                if self.searcher.refresh():
                    self._remember()
                    logger.info('the index has changed: it has %d photos now', self.total)
                return
            except SearchIndexError as err:
                reason = str(err)
            if left:
                time.sleep(_PAUSE)
        logger.error('the index cannot be searched any more: %s', reason)
        title = 'The index has been replaced, or is damaged'
        detail = 'the log of the service says more; if it was replaced, start the service again'
        raise RequestError(503, 'index_changed', title, detail)

    def _remember(self) -> None:
        index = self.searcher.index
        self._state = hashlib.sha256(repr(index.state).encode()).hexdigest()[:12]
        earlier = [item for item in self._states.items() if item[0] != self._state]
        # A new dictionary: other threads read the one that is there.
        self._states = dict(
            [*earlier[1 - _STATES :], (self._state, (Path(index.header.photos), index.paths))]
        )
