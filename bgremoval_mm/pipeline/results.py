"""The result of an upload: the photo with its mask, as its route wants it."""

from __future__ import annotations

import numpy as np

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.measurements import Record
from bgremoval_mm.pipeline.queue import Claim, UploadQueue
from bgremoval_mm.pipeline.routes import Route
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.removal.images.source import SourceImage
from bgremoval_mm.removal.outputs.cutouts import encode_image
from bgremoval_mm.removal.outputs.rendering import render

__all__ = ['publish']


def publish(
    queue: UploadQueue,
    files: PipelineFiles,
    claim: Claim,
    source: SourceImage,
    route: Route,
    mask: np.ndarray,
    reason: str,
    model: str,
    record: Record | None = None,
) -> Claim:
    """Make the result of an upload, put it in its place, and record that.

    Args:
        queue: The uploads.
        files: Their files.
        claim: Which upload; its state is `REMOVED` or `REVIEW`.
        source: The photo.
        route: What is made of it.
        mask: Its mask, uint8 of shape (h, w), at any resolution.
        reason: Why it may be published, in words.
        model: Who made the mask.
        record: Writes rows along with the change, see `measurements`.

    Returns:
        The claim with the new state.

    Raises:
        ClaimLostError: If another worker has taken it over.
    """
    made = render(source, mask, route.output)
    content = encode_image(made.pixels, route.output.file_format, made.icc_profile, made.colour)
    name = route.result_name(claim.name)
    result = f'{route.publish.rstrip("/")}/{name}' if route.publish else name
    # While a row is held, other workers may have to wait: all that takes its time comes before.
    with files.staged(name, content, route.publish, early=queue.is_exclusive) as commit:
        return queue.advance(
            claim,
            State.PUBLISHED,
            '; '.join(filter(None, (reason, made.note))),
            publish=commit,
            record=record,
            result=result,
            model=model,
        )
