"""What a published work consists of: experiments in variants, its numbers, and what it claims.

A work is data. The runner trains its experiments and the report lays the results beside its numbers
and claims; neither knows any work by name. A work of your own is a module that defines ``WORK``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from bgremoval_mm.experiments.claims import Claim, Verdict, VerdictLabel
from bgremoval_mm.experiments.published import Dataset, Exhibit, Metric, Misprint, Published
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
        heading: Of its report, where it compares something else than backgrounds; its variants
            then have baselines of their own in place of the original photos.
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
    heading: str = ''

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
