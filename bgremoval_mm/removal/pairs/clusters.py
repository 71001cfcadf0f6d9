"""Clusters of pairs by what photos look like: PCA and k-means on small photos.

They put each kind of product into training and validation alike, and give scores for each kind.
White products before white, which a removal finds hardest, are a cluster of their own, by a rule;
and what a person says always wins.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.images.reading import read_stored
from bgremoval_mm.removal.images.thumbnails import thumbnail
from bgremoval_mm.removal.io.csv_files import open_csv
from bgremoval_mm.removal.masks.functional import resize
from bgremoval_mm.removal.pairs.manifest import GIVEN, Pair
from bgremoval_mm.removal.pairs.split import VAL_SHARE, deal_out
from bgremoval_mm.utils.messages import first_few
from bgremoval_mm.utils.parallel import for_each
from bgremoval_mm.utils.text import printable

__all__ = [
    'WHITE',
    'WHITE_RULE',
    'ClusterError',
    'Look',
    'assign_clusters',
    'cluster_pairs',
    'is_white_on_white',
    'look_at',
    'read_overrides',
]

WHITE = 'white'
_SIDE = 32  # pixels of the small photos
_COMPONENTS = 32  # of PCA, at most
_WHITE_PRODUCT, _WHITE_BACKGROUND = 190, 235
WHITE_RULE = (
    "a photo is in the cluster 'white' if half of its product's pixels, or more, have "
    f"{_WHITE_PRODUCT} or more in each of red, green and blue, and half of its background's have "
    f'{_WHITE_BACKGROUND} or more'
)
_NAME = re.compile(r'\w[\w .-]*')


class ClusterError(BgremovalError, ValueError):
    """Pairs cannot be clustered."""


@dataclass(frozen=True)
class Look:
    """A pair as clusters see it.

    Attributes:
        small: The photo, shrunk and centred on a white square: float32 of shape (side, side, 3),
            RGB, 0 to 1.
        is_white: Whether it is a white product before white.
    """

    small: np.ndarray
    is_white: bool


def look_at(paths: tuple[Path, Path]) -> Look:
    """Read a photo and its mask, small.

    Args:
        paths: Photo and mask.

    Raises:
        ImageError: If one is not read.
        OSError: If one cannot be read.
    """
    photo = thumbnail(paths[0], 2 * _SIDE)
    levels = read_stored(paths[1])[..., 0]
    mask = resize(levels * (255 if levels.max() == 1 else 1), (photo.shape[1], photo.shape[0]))
    square = Image.new('RGB', (_SIDE, _SIDE), 'white')
    picture = Image.fromarray(photo)
    picture.thumbnail((_SIDE, _SIDE))
    square.paste(picture, ((_SIDE - picture.width) // 2, (_SIDE - picture.height) // 2))
    small = np.asarray(square, np.float32) / 255
    return Look(small, is_white_on_white(photo, mask > 127))


def is_white_on_white(photo: np.ndarray, foreground: np.ndarray) -> bool:
    """Return whether a photo is one of a white product before white, by `WHITE_RULE`.

    Args:
        photo: uint8 array of shape (H, W, 3), RGB.
        foreground: bool array of shape (H, W).
    """
    if not foreground.any() or foreground.all():
        return False
    darkest = photo.min(axis=2)
    product, background = np.median(darkest[foreground]), np.median(darkest[~foreground])
    return bool(product >= _WHITE_PRODUCT and background >= _WHITE_BACKGROUND)


def assign_clusters(looks: Sequence[Look], clusters: int = 5, seed: int = 0) -> list[str]:
    """Return the name of each pair's cluster.

    White products before white are 'white'. The others are described by the first principal
    components of their small photos (as many as there are photos, at most 32, all of the same
    weight as in the photos) and divided by k-means. Clusters are named '1', '2' and so on by their
    number of photos, the largest first. The same photos and seed give the same clusters.

    Args:
        looks: Of each pair.
        clusters: Number of clusters beside 'white'.
        seed: Of k-means.

    Raises:
        ArgumentError: If there are fewer photos than clusters.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    names = [WHITE if look.is_white else '' for look in looks]
    others = [index for index, name in enumerate(names) if not name]
    if not others:
        return names
    if not 1 <= clusters <= len(others):
        msg = (
            f'`clusters` must be from 1 to {len(others)}, the number of photos that are not white '
            f'on white, but got {clusters}'
        )
        raise ArgumentError(msg)
    pixels = np.stack([looks[index].small.ravel() for index in others]).astype(np.float64)
    size = min(_COMPONENTS, *pixels.shape)
    reduced = PCA(size, svd_solver='full').fit_transform(pixels)
    labels = KMeans(clusters, n_init=10, random_state=seed).fit_predict(reduced)
    counts = np.bincount(labels, minlength=clusters)
    # Of as many photos, the cluster of the first photo comes first.
    order = sorted(
        range(clusters), key=lambda label: (-counts[label], labels.tolist().index(label))
    )
    for index, label in zip(others, labels, strict=True):
        names[index] = str(order.index(label) + 1)
    return names


def read_overrides(path: Path, pairs: Sequence[Pair]) -> dict[str, str]:
    """Read a CSV file with the columns ``image`` and ``cluster``.

    Args:
        path: The file. Images are named as in the manifest.
        pairs: Of the manifest.

    Returns:
        Cluster by image.

    Raises:
        ArgumentError: If it has other columns, an image that the manifest does not have, or a name
            that will not do; names the line.
    """
    known = {pair.image for pair in pairs}
    found: dict[str, str] = {}
    with open_csv(path) as file:
        reader = csv.DictReader(file)
        if list(reader.fieldnames or []) != ['image', 'cluster']:
            msg = (
                f'{printable(path)} must have the columns image,cluster, but has '
                f'{first_few(reader.fieldnames or []) or "none"}'
            )
            raise ArgumentError(msg)
        for row in reader:
            where = f'{printable(path)}, line {reader.line_num}'
            image, cluster = row['image'], row['cluster'] or ''
            if image not in known:
                msg = f'{where}: the manifest has no image {printable(image)}'
                raise ArgumentError(msg)
            if not _NAME.fullmatch(cluster):
                msg = (
                    f'{where}: a cluster is named by letters, digits, blanks, dots, hyphens and '
                    f'underscores, but this is {cluster!r}'
                )
                raise ArgumentError(msg)
            found[image] = cluster
    return found


def given_clusters(pairs: Sequence[Pair]) -> dict[str, str]:
    """Return the clusters, by image, that a list or an earlier override has named.

    They are those of names that are not made here: neither numbers nor 'white'.
    """
    made = (WHITE, '')
    return {
        pair.image: pair.cluster
        for pair in pairs
        if pair.cluster not in made and not pair.cluster.isdecimal()
    }


def cluster_pairs(
    pairs: Sequence[Pair],
    folder: Path,
    clusters: int = 5,
    overrides: Mapping[str, str] | None = None,
    val_share: float | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> list[Pair]:
    """Return the pairs with their clusters, and with splits that are dealt out by cluster.

    Clusters that people have named stay, see `given_clusters`.
    Splits that were given, by a list or by `bgremoval retrain`, stay as they are, and the other
    photos of their items go with them.

    Args:
        pairs: Of a manifest.
        folder: Folder of the manifest.
        clusters: See `assign_clusters`.
        overrides: Cluster by image, which wins over everything else.
        val_share: Share of validation in each cluster, of the pairs that are dealt out; None is
            0.2. Not to be given if all splits were given.
        seed: Of k-means and of the split.
        workers: Number of processes; None is one a core.
        progress: Show a progress bar, if there is a terminal.

    Raises:
        ClusterError: If a file cannot be read.
        ArgumentError: If an argument is wrong.
    """
    if val_share is not None and all(pair.split_by == GIVEN for pair in pairs):
        msg = 'the splits were given by a list, so `val_share` must be left out'
        raise ArgumentError(msg)
    jobs = [(pair.image, (folder / pair.image, folder / pair.mask)) for pair in pairs]
    found: dict[str, Any]
    found, failures = for_each(look_at, jobs, 'photos', workers, progress)
    if failures:
        lines = [f'{printable(name)}: {reason}' for name, reason in failures.items()]
        msg = f'{len(failures)} pairs cannot be read; check them again: {first_few(lines)}'
        raise ClusterError(msg)
    looks = [found[pair.image] for pair in pairs]
    named = assign_clusters(looks, clusters, seed)
    overrides = dict(overrides or {})
    kept = given_clusters(pairs) | overrides
    clustered = [
        replace(pair, cluster=kept.get(pair.image, name))
        for pair, name in zip(pairs, named, strict=True)
    ]
    share = VAL_SHARE if val_share is None else val_share
    return _deal_out_the_rest(clustered, share, seed)


def _deal_out_the_rest(pairs: Sequence[Pair], share: float, seed: int) -> list[Pair]:
    """Deal out the pairs whose splits were not given."""
    of_item = {pair.item: pair.split for pair in pairs if pair.split_by == GIVEN and pair.item}
    free = [pair for pair in pairs if pair.split_by != GIVEN and pair.item not in of_item]
    dealt = {pair.image: pair for pair in deal_out(free, share, seed)}
    return [
        dealt.get(pair.image) or replace(pair, split=of_item.get(pair.item, pair.split))
        for pair in pairs
    ]
