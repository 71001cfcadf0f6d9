"""Queries in an index: a photo in, the most similar photos out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from bgremoval_mm.evaluation.nearest import find_nearest
from bgremoval_mm.removal import read_image
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.zoo.catalogue import is_model_file
from bgremoval_mm.search.folder import IndexFolder
from bgremoval_mm.search.records import Embedder, NetworkRecord, check_same, records_of
from bgremoval_mm.search.removal import PhotoRemoval, leaves_nothing
from bgremoval_mm.search.shards import SearchIndexError
from bgremoval_mm.utils.text import printable

__all__ = ['Answer', 'Hit', 'Searcher', 'VectorIndex']

#: How often an index is read that another run writes to meanwhile, which merges and drops shards.
_TRIES = 5


@dataclass(frozen=True)
class Hit:
    """A photo that was found.

    Attributes:
        path: Path below the folder of photos, with ``/``.
        similarity: Cosine of the two vectors, in [-1, 1].
        number: Its place in ``VectorIndex.paths``.
    """

    path: str
    similarity: float
    number: int


@dataclass(frozen=True)
class Answer:
    """What was found for one query.

    Attributes:
        hits: The most similar photos, the most similar first.
        mask: Foreground of the query, uint8 of shape (H, W); None where backgrounds stay.
        seen: What the network was given, before its own preprocessing: uint8 of shape (H, W, 3),
            RGB, without background where the index has none.
    """

    hits: list[Hit]
    mask: np.ndarray | None
    seen: np.ndarray

    @property
    def note(self) -> str:
        """What a user should know of the answer, or nothing."""
        if self.mask is None or not leaves_nothing(self.mask):
            return ''
        return 'no foreground was found in the photo, so what is found may be anything'


class VectorIndex:
    """An index that is open for queries. Its vectors stay on disk, memory-mapped.

    It has the state of when it was opened: photos that are added later are found by a new one.

    Args:
        folder: The index.

    Raises:
        SearchIndexError: If it is none, or damaged, or another run does not cease to write to it.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = IndexFolder(folder)
        for _ in range(_TRIES):
            # Of before it is read: what changes meanwhile is noticed.
            self.state = self.folder.state()
            try:
                self._read()
            except SearchIndexError:
                if self.folder.state() == self.state:
                    raise
            else:
                # Shards that were added do no harm, and are there for the next one to find.
                if set(self.state) <= set(self.folder.state()):
                    return
        msg = f'{printable(folder)} is being written to by another run: try again'
        raise SearchIndexError(msg)

    def _read(self) -> None:
        header = self.folder.read_header()
        if header is None:
            msg = (
                f'INDEX must be a folder that `bgremoval search index` has made, but '
                f'{printable(self.folder.root)} is none'
            )
            raise SearchIndexError(msg)
        self.header = header
        self.paths: list[str] = []
        self._blocks: list[np.ndarray] = []
        by_shard: dict[int, dict[int, str]] = {}
        for path, entry in self.folder.entries().items():
            by_shard.setdefault(entry.shard, {})[entry.row] = path
        for shard, paths in by_shard.items():
            vectors = self.folder.vectors(shard)
            if max(paths) >= len(vectors):
                msg = f'{printable(self.folder.root)} is damaged: shard {shard} lacks vectors'
                raise SearchIndexError(msg)
            rows = sorted(paths)
            if len(rows) < len(vectors):
                vectors = vectors[rows]
            self._blocks.append(vectors)
            self.paths += [paths[row] for row in rows]

    def __len__(self) -> int:
        return len(self.paths)

    def search(self, vectors: np.ndarray, k: int = 10) -> list[list[Hit]]:
        """Return the nearest photos of each vector, the nearest first.

        The search is exact, see :func:`~bgremoval_mm.evaluation.nearest.find_nearest`.

        Args:
            vectors: float32 of shape (N, D), each row of length 1.
            k: How many; all where there are fewer.

        Raises:
            ArgumentError: If `k` is not above 0, or the vectors have another length.
        """
        nearest = find_nearest(vectors, self._blocks, k)
        return [
            [
                Hit(self.paths[i], float(each), int(i))
                for each, i in zip(similar, found, strict=True)
            ]
            for similar, found in zip(*nearest, strict=True)
        ]


class Searcher:
    """Answers queries: reads a photo, does to it what was done to those of the index, and searches.

    The network is loaded once; a page or a service keeps a searcher and calls `answer`.

    Args:
        index: Folder of the index.
        network: What turns photos into vectors.
        removal: What removes backgrounds before; None: they stay.

    Raises:
        SearchIndexError: If there is no index, or it was made by another network, with another
            preprocessing or another removal; the message names both.

    Examples:
        >>> searcher = Searcher.open('shop.index')
        >>> answer = searcher.answer('photo.jpg', k=3)
        >>> [hit.path for hit in answer.hits]
        ['dresses/0815.jpg', 'dresses/0816.jpg', 'skirts/4711.jpg']
    """

    def __init__(
        self, index: str | Path, network: Embedder, removal: PhotoRemoval | None = None
    ) -> None:
        self.index = VectorIndex(index)
        record = None if removal is None else removal.record
        check_same(self.index.header, network.record, record, index)
        self.network, self.removal = network, removal

    @classmethod
    def open(
        cls,
        index: str | Path,
        checkpoint: str | Path | None = None,
        config: str | Path | None = None,
        device: str = 'auto',
        accept_licence: bool = False,
    ) -> Self:
        """Open an index with the network and the removal that have made it.

        Args:
            index: Its folder.
            checkpoint: Where the checkpoint is now, if not where it was.
            config: Its config, if the checkpoint carries none; goes with `checkpoint`.
            device: See Network and BackgroundRemover.
            accept_licence: See BackgroundRemover.

        Raises:
            SearchIndexError: See the class.
            NetworkError: If the weights have changed.
            OSError: If they are not there.
        """
        if config is not None and checkpoint is None:
            msg = '`config` goes with `checkpoint`'
            raise ArgumentError(msg)
        header = IndexFolder(index).read_header()
        if header is None:
            VectorIndex(index)  # raises
        assert header is not None
        network_record, removal_record = records_of(header)
        network = _network(network_record, checkpoint, config, device)
        removal = None
        if removal_record is not None:
            _check_model(removal_record.model, index)
            removal = PhotoRemoval(
                removal_record.model,
                removal_record.fill,
                removal_record.precision,
                device=device,
                accept_licence=accept_licence,
                threshold=removal_record.threshold,
            )
        return cls(index, network, removal)

    def answer(self, photo: str | Path | np.ndarray, k: int = 10) -> Answer:
        """Return the photos that are most similar to one.

        Args:
            photo: A file, or uint8 of shape (H, W, 3), RGB.
            k: How many.

        Raises:
            ImageError: If the file is not a readable image.
            OSError: If it cannot be read.
            ArgumentError: If `k` is not above 0.
        """
        return self.answers([photo], k)[0]

    def answers(self, photos: Sequence[str | Path | np.ndarray], k: int = 10) -> list[Answer]:
        """Return the answers of several queries, which run through the networks together."""
        images = [
            each if isinstance(each, np.ndarray) else read_image(Path(each)).rgb for each in photos
        ]
        masks: list[np.ndarray | None] = [None] * len(images)
        if self.removal is not None:
            images, found = self.removal(images)
            masks = list(found)
        hits = self.index.search(self.network.embed(images), k)
        return [Answer(*each) for each in zip(hits, masks, images, strict=True)]

    def refresh(self) -> bool:
        """Open the index again if it has changed since; return whether it had.

        Raises:
            SearchIndexError: If it is damaged, or has been made again by something else; the
                searcher stays with what it had.
        """
        if self.index.folder.state() == self.index.state:
            return False
        index = VectorIndex(self.index.folder.root)
        record = None if self.removal is None else self.removal.record
        check_same(index.header, self.network.record, record, index.folder.root)
        self.index = index
        return True

    def photo(self, hit: Hit) -> Path:
        """Return the file of a hit."""
        return Path(self.index.header.photos, hit.path)


def _check_model(model: str, index: str | Path) -> None:
    """Check that the model of an index's removal, if it is a file, is where it was."""
    if is_model_file(model) and not Path(model).is_file():
        msg = (
            f'{printable(index)} was made with backgrounds removed by {printable(model)}, which is '
            'not there: put it back, or run `bgremoval search index` with --remove-background and '
            'the place where the file is now'
        )
        raise SearchIndexError(msg)


def _network(
    record: NetworkRecord, checkpoint: str | Path | None, config: str | Path | None, device: str
) -> Embedder:
    from bgremoval_mm.search.network import Network

    if checkpoint is None:
        return Network.from_record(record, device)
    return Network.from_checkpoint(checkpoint, config, device)
