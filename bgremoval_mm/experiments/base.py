"""What a published work consists of: experiments in variants, its numbers, and what it claims.

A work is data. The runner trains its experiments and the report lays the results beside its numbers
and claims; neither knows any work by name. A work of your own is a module that defines ``WORK``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from bgremoval_mm.removal.errors import ArgumentError

if TYPE_CHECKING:
    from bgremoval_mm.experiments.report.groups import Group

__all__ = [
    'BEST_FOLD',
    'BGAUG',
    'BGVAL',
    'ORIGINAL',
    'REMBG',
    'REMBG_QUERIES',
    'Claim',
    'Dataset',
    'Exhibit',
    'Experiment',
    'Metric',
    'Misprint',
    'Published',
    'Variant',
    'Verdict',
    'VerdictLabel',
    'Work',
]


@dataclass(frozen=True)
class Variant:
    """One of the ways in which an experiment treats the background of its photos.

    Attributes:
        name: As the command line and ``result.json`` have it.
        suffix: What the names of its configs have and the baseline's have not, of
            ``engine.pairs.SUFFIXES``; '' for the baseline.
        title: For people.
        column: Title in a word, for the heads of columns.
    """

    name: str
    suffix: str
    title: str
    column: str


ORIGINAL = Variant('original', '', 'original', 'original')
REMBG = Variant('rembg', '-rembg', 'background removed', 'removed')
REMBG_QUERIES = Variant(
    'rembg-queries', '-rembg-queries', 'background of queries removed', 'removed in queries'
)
BGAUG = Variant('bgaug', '-bgaug', 'background replaced', 'replaced')
BGVAL = Variant('bgval', '-bgval', 'selected on replaced backgrounds', 'selected')

BEST_FOLD = 'best_fold/'
"""Before the key of a metric: its largest value among the folds of a seed. Without it, their mean.
"""


@dataclass(frozen=True, kw_only=True)
class Experiment(ABC):
    """A network, trained on each dataset in each variant.

    Attributes:
        model: The network, as configs are named.
        title: The network, for people.
    """

    model: str
    title: str

    datasets: ClassVar[Mapping[str, int]]
    """Dataset, as configs are named, to its number of classes. The first is the work's."""

    variants: ClassVar[tuple[Variant, ...]] = (ORIGINAL, REMBG)
    """The first is the baseline of the others."""

    per_image: ClassVar[str] = ''
    """Registered metric, such as 'PerImageAccuracy', that takes ``file`` and ``root`` and writes
    the per-image results of the test; '' for none."""

    folds: ClassVar[tuple[int, ...]] = ()
    """Numbers of the folds of a cross-validation, each of which is trained and tested with each
    seed; empty where there is none."""

    tested: ClassVar[Literal['last', 'best']] = 'last'
    """Which checkpoint is tested: the last, or the best on the validation photos."""

    @property
    @abstractmethod
    def item(self) -> str:
        """Where the work shows the result, such as 'Fig. 5' or 'Table I'."""

    @property
    @abstractmethod
    def folder(self) -> str:
        """Folder of the configs, below ``configs``, with ``/``."""

    @abstractmethod
    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config, without ``.py``.

        Args:
            dataset: A key of `datasets`.
            suffix: That of the variant.
        """

    def options(self, seed: int) -> Sequence[str]:
        """Return what a seed changes beside ``randomness.seed``, as ``KEY=VALUE``."""
        del seed
        return ()

    def fold_options(self, fold: int) -> Sequence[str]:
        """Return what selects a fold, as ``KEY=VALUE``: the argument ``fold`` of all datasets.

        In an option of your own, ``{root}`` stands for the folder of all runs.

        Args:
            fold: One of `folds`.
        """
        return [f'{subset}_dataset.fold={fold}' for subset in ('train', 'val', 'test')]

    def variant(self, name: str) -> Variant:
        """Return a variant by its name.

        Raises:
            ArgumentError: If there is none of this name.
        """
        _check_one_of('variant', name, [each.name for each in self.variants])
        return next(each for each in self.variants if each.name == name)

    def config(self, dataset: str, variant: str = ORIGINAL.name) -> str:
        """Return the path of a config below ``configs``, with ``/``.

        Args:
            dataset: A key of `datasets`.
            variant: Name of one of `variants`.

        Raises:
            ArgumentError: If either is none of these.
        """
        _check_one_of('dataset', dataset, self.datasets)
        name = self.config_name(dataset, self.variant(variant).suffix)
        return f'{self.folder}/{name}.py'


def _check_one_of(argument: str, value: str, allowed: Sequence[str] | Mapping[str, object]) -> None:
    if value not in allowed:
        msg = f'`{argument}` must be one of {", ".join(allowed)}, but got {value!r}'
        raise ArgumentError(msg)


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


VerdictLabel = Literal['holds', 'does not hold', 'undecided']


@dataclass(frozen=True)
class Verdict:
    """Whether a claim holds, and why.

    Attributes:
        label: 'holds', 'does not hold' or 'undecided'.
        figures: What was found, in a sentence.
    """

    label: VerdictLabel
    figures: str


@dataclass(frozen=True)
class Claim:
    """Something that the work says in words.

    Attributes:
        name: As the claims are numbered here.
        item: The result that it is about.
        text: What the work says.
        criterion: When it counts as holding.
        judge: Takes the item's group of results, and the groups of all items on the same dataset
            with the same options, by item.
        datasets: On the results of which datasets it is judged; empty for all of the item.
    """

    name: str
    item: str
    text: str
    criterion: str
    judge: Callable[[Group, Mapping[str, Group]], Verdict]
    datasets: tuple[str, ...] = ()

    def is_about(self, item: str, dataset: str) -> bool:
        """Return whether it is judged on an item's results on a dataset."""
        return item == self.item and (not self.datasets or dataset in self.datasets)


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """A published work.

    Attributes:
        name: Of its package in ``experiments.papers``, or the full name of a module elsewhere.
        title: Authors and year.
        citation: Authors, title, where it was published.
        experiments: In the order of the work's items.
        metrics: Item to its metrics. The scores of single classes have the unit of the last one.
        datasets: Every dataset of the experiments.
        published: The numbers that the work prints.
        misprints: What it prints and cannot mean.
        claims: What it says in words.
        exhibits: Item to what makes further tables and pictures of its group of results.
    """

    name: str
    title: str
    citation: str
    experiments: tuple[Experiment, ...]
    metrics: Mapping[str, tuple[Metric, ...]]
    datasets: Mapping[str, Dataset]
    published: tuple[Published, ...] = ()
    misprints: tuple[Misprint, ...] = ()
    claims: tuple[Claim, ...] = field(default=(), repr=False)
    exhibits: Mapping[str, Callable[[Group], Sequence[Exhibit]]] = field(
        default_factory=dict, repr=False
    )

    @property
    def items(self) -> tuple[str, ...]:
        """Its figures and tables, in its order."""
        return tuple(dict.fromkeys(each.item for each in self.experiments))

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the networks."""
        return tuple(dict.fromkeys(each.model for each in self.experiments))

    @property
    def folds(self) -> tuple[int, ...]:
        """Numbers of the folds of those experiments that have some."""
        return tuple(dict.fromkeys(fold for each in self.experiments for fold in each.folds))

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants."""
        found = (variant.name for each in self.experiments for variant in each.variants)
        return tuple(dict.fromkeys(found))

    def number(self, experiment: Experiment, dataset: str, metric: Metric) -> Published | None:
        """Return what the work prints of an experiment beside the results of a dataset, if any."""
        wanted = (experiment.item, experiment.model, metric.key)
        return next(
            (
                each
                for each in self.published
                if (each.item, each.model, each.metric) == wanted and dataset in each.datasets
            ),
            None,
        )
