"""What a published work prints and shows: metrics, datasets, numbers, misprints, exhibits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ['Dataset', 'Exhibit', 'Metric', 'Misprint', 'Published']


@dataclass(frozen=True)
class Metric:
    """A column of a work's tables.

    Attributes:
        key: Its name in ``result.json``.
        title: Its name for people.
        unit: 'percent' or 'fraction'.
        over_images: How its difference is resampled over images, or over products or items with
            all their images, as ``report.over_images.resampler`` knows it; '' where it is not.
        counted_by: Key of the metric that is the number of images it was measured on; '' where that
            is all images of the test.
    """

    key: str
    title: str
    unit: Literal['percent', 'fraction']
    over_images: str = ''
    counted_by: str = ''

    @property
    def drawn(self) -> str:
        """What is resampled: 'products', 'items' or 'images'."""
        found = (each for each in ('products', 'items') if self.over_images.endswith(each))
        return next(found, 'images')

    @property
    def digits(self) -> int:
        """Decimals that are shown."""
        return 3 if self.unit == 'fraction' else 2


@dataclass(frozen=True)
class Dataset:
    """A dataset of a work's experiments.

    Attributes:
        title: Its name for people.
        is_own: Whether the work itself used it; others are there because anyone can get them.
        prepare: What ``tools/prepare_dataset.py`` calls it; '' if it does not know it.
        prepared: What the name of the folder with prepared annotations has after that of the
            photos; '' if there is none.
        made: Folders of further photos, which are made of others, each to the command that makes
            it.
    """

    title: str
    is_own: bool = True
    prepare: str = ''
    prepared: str = ''
    made: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A number that the work prints, in each variant.

    Attributes:
        item: The result it belongs to.
        model: The network, as configs are named.
        metric: Key of the metric.
        values: Name of a variant to the value, in the metric's unit.
        difference: The difference as printed; None if none is.
        deviations: Name of a variant to the standard deviation that is printed beside its value.
        datasets: Beside the results of which datasets it is shown.
    """

    item: str
    model: str
    metric: str
    values: Mapping[str, float]
    difference: float | None = None
    deviations: Mapping[str, float] = field(default_factory=dict)
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class Misprint:
    """What the work prints and cannot mean.

    Attributes:
        item: The result it stands in.
        text: What is wrong, in a sentence without its full stop.
        rows: The numbers, each row a mapping from column to text.
    """

    item: str
    text: str
    rows: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A table or a picture that a work has beside those of every work.

    Attributes:
        name: In names of files.
        title: For people.
        caption: What is shown, in sentences.
        rows: Of a table, each row a mapping from column to text.
        picture: A PNG file's content; b'' for none.
        alt: The picture in words.
    """

    name: str
    title: str
    caption: str
    rows: tuple[Mapping[str, str], ...] = ()
    picture: bytes = field(default=b'', repr=False)
    alt: str = ''
