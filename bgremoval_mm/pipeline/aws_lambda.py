"""The pipeline as a function of AWS Lambda: a bucket's event in, results in a bucket.

There is no database: a function has no disk that lasts, and AWS itself delivers, retries and sets
aside. What is known of a photo is what lies in the bucket.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bgremoval_mm.pipeline.bucket_events import BucketPlace, StoredObject, stored_objects
from bgremoval_mm.pipeline.files import check_name
from bgremoval_mm.pipeline.live import LIVE
from bgremoval_mm.pipeline.routes import Route, Routes, read_routes
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.images.reading import ImageError, check_bytes, decode_image
from bgremoval_mm.removal.images.source import SourceImage
from bgremoval_mm.removal.io.addresses import lies_in
from bgremoval_mm.removal.io.storage import open_storage
from bgremoval_mm.removal.options import MAX_BYTES, EngineOptions
from bgremoval_mm.removal.outputs.cutouts import encode_image
from bgremoval_mm.removal.outputs.rendering import render
from bgremoval_mm.removal.remover import BackgroundRemover

__all__ = ['BucketFunction', 'LambdaError', 'handler']

logger = logging.getLogger(__name__)

_SOURCE, _RESULTS, _REVIEW = 'BGREMOVAL_SOURCE', 'BGREMOVAL_RESULTS', 'BGREMOVAL_REVIEW'
_ROUTES = 'BGREMOVAL_ROUTES'


class LambdaError(BgremovalError):
    """Some photos of an event were not done; AWS is to deliver it again."""


def handler(event: Mapping[str, Any], context: object = None) -> dict[str, list[str]]:
    """Do the photos that an event tells of; a photo that is done again has the same result.

    Args:
        event: S3's own, or one inside a message of SNS, SQS or EventBridge.
        context: As AWS gives it; it is not looked at.

    Returns:
        Names of the photos by what became of them: ``published``, ``review``, ``failed`` (no
        picture, or no route: another try would fail, too), ``ignored``.

    Raises:
        LambdaError: If some were not done; all others are.
        EventError: If it is no event of a bucket.
        ArgumentError: If the environment is not set, or would have it write where it reads.
    """
    function = _function()
    done: dict[str, list[str]] = {'published': [], 'review': [], 'failed': [], 'ignored': []}
    errors = []
    for stored in stored_objects(event):
        try:
            done[function.do(stored)].append(stored.key)
        except Exception as err:  # one photo must not keep the others of an event waiting
            logger.exception('%s was not done', stored.address)
            errors.append(f'{stored.address}: {type(err).__name__}: {err}')
    if errors:
        raise LambdaError('; '.join(errors))
    return done


@dataclass(frozen=True)
class _Photo:
    name: str
    content: bytes
    tag: str  # ETag: another one is another content


class BucketFunction:
    """Does the photos of a bucket, one after the other.

    Args:
        source: Bucket and prefix from which photos are taken, such as ``s3://bucket/photos``.
        results: Where results go, unless their route publishes elsewhere.
        review: Where the results of doubtful masks go, each with its reasons in a JSON file; for
            photos that cannot be done, the JSON file alone.
        routes: What is done with which photo.

    Raises:
        ArgumentError: If a place of results lies in the source: each would be a photo in turn.
    """

    def __init__(self, source: str, results: str, review: str, routes: Routes) -> None:
        self._place = BucketPlace.of(source)
        for place in (results, review, *(route.publish for route in routes if route.publish)):
            if lies_in(place, source):
                msg = f'{place} lies in {source}: results there would start this function again'
                raise ArgumentError(msg)
        if any(LIVE in route.models for route in routes):
            msg = f'a function of AWS Lambda has no `model = "{LIVE}"`; name the network'
            raise ArgumentError(msg)
        self._results, self._review, self._routes = results, review, routes
        self._types = routes.open_types()
        self._removers: dict[str, BackgroundRemover] = {}
        import boto3

        self._client = boto3.client('s3')

    def do(self, stored: StoredObject) -> str:
        """Do a photo; return what became of it, a key of the handler's answer."""
        name = self._place.name_of(stored)
        if name is None or not self._place.is_photo(name):
            logger.warning(
                '%s does not look like a photo below the source: ignored', stored.address
            )
            return 'ignored'
        try:
            check_name(name)
            photo = self._read(stored, name)
            if photo is None:
                return 'ignored'
            route, source = self._open(photo)
        except (ImageError, ArgumentError) as err:
            self._note(name, 'failed', [str(err)])
            return 'failed'
        mask, reasons = self._judged_mask(source, route)
        made = render(source, mask, route.output)
        content = encode_image(made.pixels, route.output.file_format, made.icc_profile, made.colour)
        if self._tag(stored) != photo.tag:
            # Its own event does the later one; this result must not take the place of that.
            logger.warning('%s has changed meanwhile: left to the next event', stored.address)
            return 'ignored'
        result = route.result_name(name)
        if reasons:
            open_storage(self._review).write(result, content)
            self._note(name, 'review', reasons)
            return 'review'
        open_storage(route.publish or self._results).write(result, content)
        for stale in (result, f'{name}.json'):  # of a former version
            open_storage(self._review).delete(stale)
        return 'published'

    def _read(self, stored: StoredObject, name: str) -> _Photo | None:
        from botocore.exceptions import ClientError

        try:
            found = self._client.get_object(Bucket=stored.bucket, Key=stored.key)
        except ClientError as err:
            if err.response.get('Error', {}).get('Code') != 'NoSuchKey':
                raise
            logger.warning('%s is no longer there', stored.address)
            return None
        check_bytes(found['ContentLength'], MAX_BYTES)
        return _Photo(name, found['Body'].read(), found['ETag'])

    def _tag(self, stored: StoredObject) -> str:
        tag: str = self._client.head_object(Bucket=stored.bucket, Key=stored.key)['ETag']
        return tag

    def _open(self, photo: _Photo) -> tuple[Route, SourceImage]:
        source = decode_image(photo.content, name=photo.name)
        found = self._types.find(photo.name, lambda: source.rgb)
        route = self._routes.find(photo.name, found.name)
        if route is None:
            told = f'; {found.reason}' if found.reason else ''
            msg = f'no route fits it{told}'
            raise ArgumentError(msg)
        return route, source

    def _judged_mask(self, source: SourceImage, route: Route) -> tuple[np.ndarray, list[str]]:
        masks = [self._remover(each).low_resolution([source.rgb])[0][0] for each in route.models]
        found = route.gate.measure(masks[0], source.rgb, *masks[1:])
        return masks[0], list(route.gate.reasons(found))

    def _remover(self, model: str) -> BackgroundRemover:
        if model not in self._removers:
            options = EngineOptions(model=model, device='cpu')
            self._removers[model] = BackgroundRemover.from_options(options)
        return self._removers[model]

    def _note(self, name: str, state: str, reasons: list[str]) -> None:
        logger.warning('%s: %s: %s', name, state, '; '.join(reasons))
        text = json.dumps({'name': name, 'state': state, 'reasons': reasons}, indent=2)
        open_storage(self._review).write(f'{name}.json', text.encode())


@lru_cache(maxsize=1)
def _function() -> BucketFunction:
    """Return what a container keeps between events; networks are loaded once."""
    missing = [name for name in (_SOURCE, _RESULTS, _REVIEW) if not os.environ.get(name)]
    if missing:
        msg = f'{", ".join(missing)} must be set to places such as s3://bucket/prefix'
        raise ArgumentError(msg)
    file = os.environ.get(_ROUTES)
    routes = read_routes(Path(file)) if file else Routes()
    source, results, review = (os.environ[name] for name in (_SOURCE, _RESULTS, _REVIEW))
    return BucketFunction(source, results, review, routes)
