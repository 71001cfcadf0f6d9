"""What an index records of how its vectors were made, and whether something else would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Protocol

import numpy as np

from bgremoval_mm.search.folder import IndexHeader
from bgremoval_mm.search.shards import SearchIndexError
from bgremoval_mm.utils.text import printable

__all__ = ['Embedder', 'NetworkRecord', 'RemovalRecord', 'check_same', 'new_header', 'records_of']


@dataclass(frozen=True)
class NetworkRecord:
    """What an index has of the network that made its vectors.

    Attributes:
        name: Name of a backbone, or of the checkpoint's file.
        weights: Path or address of the weights.
        sha256: Hash of all parameters and buffers, see `Network`.
        definition: Of the model and its preprocessing, see ``Definition.text``.
    """

    name: str
    weights: str
    sha256: str
    definition: str

    def __str__(self) -> str:
        return f'{printable(self.name)} (sha256 of its weights {self.sha256[:12]})'


class Embedder(Protocol):
    """What turns photos into vectors: a Network, or anything with these two."""

    @property
    def record(self) -> NetworkRecord:
        """What an index keeps."""

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return float32 of shape (N, D), each row of length 1, of uint8 RGB photos."""


@dataclass(frozen=True)
class RemovalRecord:
    """How the backgrounds of an index's photos were removed.

    Attributes:
        model: Name of the model, or absolute path of its ONNX file; not compared, as the file may
            have moved.
        model_hash: Of its weights, as in the catalogue.
        precision: What it computes in.
        fill: Colour (R, G, B) behind the foreground, each from 0 to 255.
        threshold: Share of the foreground above which a pixel is foreground as a whole; None: edges
            are soft.
    """

    model: str = field(compare=False)
    model_hash: str
    precision: str
    fill: tuple[float, float, float]
    threshold: float | None = None  # indexes that were made before it was recorded have none

    def __str__(self) -> str:
        colour = ', '.join(f'{level:g}' for level in self.fill)
        edges = '' if self.threshold is None else f', with hard edges at {self.threshold:g}'
        return (
            f'backgrounds removed by {self.model} ({self.model_hash}) in {self.precision}, '
            f'filled with ({colour}){edges}'
        )


def _describe(record: RemovalRecord | None) -> str:
    """Return how backgrounds are treated, for a message."""
    return 'backgrounds left as they are' if record is None else str(record)


def records_of(header: IndexHeader) -> tuple[NetworkRecord, RemovalRecord | None]:
    """Return what made the vectors of an index.

    Raises:
        SearchIndexError: If the header is damaged.
    """
    try:
        network = NetworkRecord(**header.network)
        removal = None
        if header.removal is not None:
            removal = RemovalRecord(**{**header.removal, 'fill': tuple(header.removal['fill'])})
    except (KeyError, TypeError) as err:
        msg = f'the header of the index is damaged: {err}'
        raise SearchIndexError(msg) from err
    return network, removal


def check_same(
    header: IndexHeader, network: NetworkRecord, removal: RemovalRecord | None, index: object
) -> None:
    """Check that vectors made like this can be compared with those of an index.

    Args:
        header: Of the index.
        network: What would make further vectors.
        removal: How backgrounds would be removed; None: not at all.
        index: Name of the index, for the message.

    Raises:
        SearchIndexError: If they cannot; the message names both sides.
    """
    of_index, removal_of_index = records_of(header)
    made, here = f'{printable(index)} was made by', 'but this is'
    if network.sha256 != of_index.sha256:
        msg = f'{made} {of_index}, {here} {network}'
    elif network.definition != of_index.definition:
        msg = (
            f'{made} {of_index} with the preprocessing {of_index.definition}, {here} the same '
            f'weights with {network.definition}'
        )
    elif removal != removal_of_index:
        theirs, ours = _describe(removal_of_index), _describe(removal)
        msg = f'{made} {of_index} with {theirs}, {here} with {ours}'
    else:
        return
    msg += '. Make another index, or take what made this one'
    raise SearchIndexError(msg)


def new_header(photos: str, network: NetworkRecord, removal: RemovalRecord | None) -> IndexHeader:
    """Return the header of an index without vectors."""
    # As JSON gives it back.
    fields = None if removal is None else {**asdict(removal), 'fill': list(removal.fill)}
    return IndexHeader(photos, 0, asdict(network), fields)
