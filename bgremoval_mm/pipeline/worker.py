"""Worker: takes uploads from the queue, and leads each to its end step by step."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import cache
from threading import Event

import numpy as np
from sqlalchemy.exc import OperationalError

from bgremoval_mm.pipeline.database import DatabaseWait
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.live import LIVE, live_model
from bgremoval_mm.pipeline.measurements import measured
from bgremoval_mm.pipeline.product_types import ProductTypes
from bgremoval_mm.pipeline.queue import Claim, ClaimLostError, UploadQueue
from bgremoval_mm.pipeline.results import publish
from bgremoval_mm.pipeline.routes import Route, Routes
from bgremoval_mm.pipeline.states import OPEN, State
from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.removal.images.reading import ImageError, decode_image
from bgremoval_mm.removal.images.source import SourceImage
from bgremoval_mm.removal.remover import BackgroundRemover

__all__ = ['Worker']

logger = logging.getLogger(__name__)

_Source = Callable[[], SourceImage]
_REPORT = 10.0  # seconds between two lines on how far the work is
_PAUSE = 0.5  # seconds between two looks at an idle queue
_SWEEP = 60.0  # seconds between two looks for what was left in review


class Worker:
    """Takes uploads from the queue, and leads each to its end.

    Every step writes its file first and is recorded then: after a crash, the step is made again,
    with the same result. So each upload has one right result, however often workers are killed.

    Args:
        queue: The uploads.
        files: Their files.
        routes: What is done with which.
        make_remover: Returns the network of a name; each is made once.
        types: What tells the types of products, if routes ask for them.
    """

    def __init__(
        self,
        queue: UploadQueue,
        files: PipelineFiles,
        routes: Routes,
        make_remover: Callable[[str], BackgroundRemover],
        types: ProductTypes | None = None,
    ) -> None:
        self.queue = queue
        self.files = files
        self.routes = routes
        self.types = types or routes.open_types()
        self._make_remover = make_remover
        self._removers: dict[str, BackgroundRemover] = {}
        self._live = ''

    def run(self, until_done: bool = False, stop: Event | None = None) -> int:
        """Work until told to stop; the upload under way is finished first.

        Args:
            until_done: End once no upload is left to be worked on, also not by a later try.
            stop: Ends the work once it is set.

        Returns:
            How many uploads this worker led to their end.

        Raises:
            DatabaseError: If the database has been away for two minutes.
        """
        stop = stop or Event()
        ended, reported, database = 0, time.monotonic(), DatabaseWait(stop)
        swept = float('-inf')
        while not stop.is_set():
            with database.over_errors():
                if time.monotonic() - swept > _SWEEP:
                    self.queue.supersede_left()
                    swept = time.monotonic()
                claim = self.queue.claim()
                if claim is None:
                    if until_done and self.queue.next_due() is None:
                        break
                    stop.wait(_PAUSE)
                    continue
                ended += self._work(claim) not in OPEN
                if time.monotonic() - reported > _REPORT:
                    counts = self.queue.counts()
                    left = sum(counts[state] for state in OPEN)
                    logger.info('finished %d uploads; %d are left', ended, left)
                    reported = time.monotonic()
        return ended

    def _work(self, claim: Claim) -> State:
        """Lead an upload as far as it goes; return where it stands."""
        source = self._source_of(claim)
        try:
            while claim.state in OPEN:
                claim = self._step(claim, source)
        except ClaimLostError as err:
            logger.warning('%s', err)
            return claim.state
        except ImageError as err:
            return self._failed(claim, str(err), final=True)
        except OperationalError:
            raise
        except (BgremovalError, OSError) as err:
            return self._failed(claim, str(err))
        except Exception as err:
            # Runtimes raise what they like; one photo must not end the work on all others.
            logger.exception('%s failed', claim.name)
            return self._failed(claim, f'{type(err).__name__}: {err}')
        return claim.state

    def _failed(self, claim: Claim, reason: str, final: bool = False) -> State:
        logger.warning('%s: %s', claim.name, reason)
        try:
            return self.queue.fail(claim, reason, final)
        except ClaimLostError as err:
            logger.warning('%s', err)
            return claim.state

    def _step(self, claim: Claim, source: _Source) -> Claim:
        if claim.state is State.RECEIVED:
            return self._type(claim, source)
        route = self.routes.named(claim.route)
        if route is None:
            msg = f'the route {claim.route!r} is no longer there'
            raise BgremovalError(msg)
        if claim.state is State.TYPED:
            return self._remove(claim, route, source)
        return self._finish(claim, route, source)

    def _type(self, claim: Claim, source: _Source) -> Claim:
        found = self.types.find(claim.name, lambda: source().rgb)
        route = self.routes.find(claim.name, found.name)
        told = f'; {found.reason}' if found.reason else ''
        if route is None:
            reason = f'no route fits it{told}'
            return self.queue.advance(claim, State.FAILED, reason)
        return self.queue.advance(
            claim, State.TYPED, f'the route {route.name} fits it{told}', route=route.name
        )

    def _remove(self, claim: Claim, route: Route, source: _Source) -> Claim:
        removers = [self._remover(model) for model in route.models]
        for remover in removers:
            self._make_mask(claim, remover, source)
        name = removers[0].spec.name
        return self.queue.advance(claim, State.REMOVED, f'by {name}', model=name)

    def _make_mask(self, claim: Claim, remover: BackgroundRemover, source: _Source) -> np.ndarray:
        ((mask, _),) = remover.low_resolution([source().rgb])
        self.files.keep_mask(claim.sha256, remover.spec.name, mask)
        return mask

    def _finish(self, claim: Claim, route: Route, source: _Source) -> Claim:
        photo, mask = source(), self.files.mask(claim.sha256, claim.model)
        second = None
        if len(route.models) > 1:
            remover = self._remover(route.models[1])
            try:
                second = self.files.mask(claim.sha256, remover.spec.name)
            except FileNotFoundError:  # the route got this model after the photo's last step
                second = self._make_mask(claim, remover, source)
        found = route.gate.measure(mask, photo.rgb, second)
        reasons = route.gate.reasons(found)
        record = measured(claim, found, bool(reasons))
        if reasons:
            text = '; '.join(reasons)
            return self.queue.advance(claim, State.REVIEW, text, record=record, reasons=text)
        reason = 'the mask passed the gate'
        return publish(
            self.queue, self.files, claim, photo, route, mask, reason, claim.model, record
        )

    def _source_of(self, claim: Claim) -> _Source:
        """Return what decodes the photo of an upload, at the first call of all its steps."""

        def decode() -> SourceImage:
            # It is kept while networks run: as an array alone, it takes less memory.
            return decode_image(self.files.photo(claim.sha256), name=claim.name).as_array()

        return cache(decode)

    def _remover(self, model: str) -> BackgroundRemover:
        if model == LIVE:
            model = live_model(self.files.root)
            if model != self._live:
                if self._live and all(self._live not in route.models for route in self.routes):
                    self._removers.pop(self._live, None)  # its memory is needed for the other
                logger.info('the live network is %s', model)
                self._live = model
        if model not in self._removers:
            self._removers[model] = self._make_remover(model)
        return self._removers[model]
