"""Whether masks of late differ from those of the training set: a test that needs no corrections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from bgremoval_mm.evaluation.statistics import holm
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.json_io import read_json_object, write_json
from bgremoval_mm.utils.text import printable

__all__ = ['Drift', 'Reference', 'compare_figures', 'read_reference', 'write_reference']

LEAST = 50  # masks, on either side
LEVEL = 0.01  # of the tests of all figures together
PSI = 0.2  # from which a distribution counts as another one: banks' rule of thumb
_BINS = 10
_MOST = 5000  # values of each figure that a reference keeps
_FLOOR = 1e-4  # the least share of a bin, whose logarithm is taken
_KIND = 'bgremoval_mm reference'


@dataclass(frozen=True)
class Reference:
    """The figures of the training set's masks.

    Attributes:
        figures: Values of each figure, by name.
        count: Of how many masks.
        source: What was measured, for the record.
    """

    figures: Mapping[str, np.ndarray]
    count: int
    source: str = ''


@dataclass(frozen=True)
class Drift:
    """How the distribution of a figure has changed.

    Attributes:
        figure: Its name.
        psi: Population stability index: the sum over tenths of the reference of the difference of
            shares times that of their logarithms.
        statistic: Of Kolmogorov and Smirnov: the largest difference of the distributions.
        p_value: Of that, corrected for the number of figures by Holm's method.
        before: Median of the reference.
        after: Median of late.
        count: Number of masks of late.
    """

    figure: str
    psi: float
    statistic: float
    p_value: float
    before: float
    after: float
    count: int

    @property
    def has_drifted(self) -> bool:
        """Whether it has changed, both surely and by much."""
        return self.p_value < LEVEL and self.psi >= PSI


def compare_figures(reference: Reference, masks: Sequence[Mapping[str, float]]) -> list[Drift]:
    """Compare the figures of masks with those of the reference.

    Args:
        reference: Of the training set.
        masks: Figures of each mask, by name.

    Returns:
        A row a figure that both have for at least `LEAST` masks, the most changed one first.
    """
    rows = []
    for name, before in reference.figures.items():
        after = np.array([each[name] for each in masks if name in each], float)
        if min(len(after), len(before)) < LEAST:
            continue
        tested = stats.ks_2samp(before, after)
        rows.append(
            Drift(
                name,
                _psi(before, after),
                float(tested.statistic),
                float(tested.pvalue),
                float(np.median(before)),
                float(np.median(after)),
                len(after),
            )
        )
    corrected = holm([each.p_value for each in rows]) if rows else []
    rows = [
        Drift(**{**vars(each), 'p_value': p_value})
        for each, p_value in zip(rows, corrected, strict=True)
    ]
    return sorted(rows, key=lambda each: -each.psi)


def _psi(before: np.ndarray, after: np.ndarray) -> float:
    """Return the population stability index, by the reference's tenths."""
    edges = np.unique(np.quantile(before, np.linspace(0, 1, _BINS + 1)[1:-1]))
    shares = []
    for values in (before, after):
        # A value on an edge belongs below it: where most are 0, all of them fall into one bin.
        counts = np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1)
        shares.append(np.maximum(counts / values.size, _FLOOR))
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def write_reference(path: Path, reference: Reference) -> None:
    """Write a reference; of more than 5,000 masks, values evenly spaced in their order.

    Raises:
        OSError: If it cannot be written.
    """
    figures = {}
    for name, values in reference.figures.items():
        ordered = np.sort(values)
        if ordered.size > _MOST:
            ordered = ordered[np.linspace(0, ordered.size - 1, _MOST).round().astype(int)]
        figures[name] = ordered
    content = {'kind': _KIND, 'source': reference.source, 'count': reference.count}
    write_json(path, {**content, 'figures': figures})


def read_reference(path: Path) -> Reference:
    """Read what `write_reference` wrote.

    Raises:
        ArgumentError: If it is not such a file.
        OSError: If it cannot be read.
    """
    try:
        content = read_json_object(path)
        if content['kind'] != _KIND:
            msg = f'kind is {content["kind"]!r}'
            raise ValueError(msg)  # noqa: TRY301
        figures = {name: np.array(values, float) for name, values in content['figures'].items()}
        if not all(each.ndim == 1 and np.isfinite(each).all() for each in figures.values()):
            msg = 'figures must be lists of numbers'
            raise ValueError(msg)  # noqa: TRY301
        return Reference(figures, int(content['count']), str(content['source']))
    except (KeyError, TypeError, AttributeError, ValueError) as err:
        msg = (
            f'{printable(path)} must be a reference of `bgremoval monitor reference`, but is not: '
            f'{err}'
        )
        raise ArgumentError(msg) from err
