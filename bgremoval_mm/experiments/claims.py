"""What a published work says in words, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bgremoval_mm.experiments.report.groups import Group

__all__ = ['Claim', 'Verdict', 'VerdictLabel']

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
