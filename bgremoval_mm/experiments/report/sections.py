"""A section of the report: an item of a work on a dataset, in tables, charts and verdicts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

import pandas as pd

from bgremoval_mm.experiments.base import BEST_FOLD, Claim, Exhibit, Misprint, Verdict
from bgremoval_mm.experiments.report.figures import (
    alt_text,
    bar_chart,
    class_chart,
    curve_chart,
    difference_chart,
)
from bgremoval_mm.experiments.report.groups import Cell, Group
from bgremoval_mm.experiments.report.tables import (
    class_table,
    finished_rows,
    provenance_table,
    result_table,
)
from bgremoval_mm.experiments.report.words import (
    bar_caption,
    class_caption,
    curve_caption,
    describe_options,
    difference_caption,
    is_reduced,
    table_caption,
)

__all__ = ['Picture', 'Section', 'claims_table', 'make_section', 'section_title']

# The figures of a claim none of whose runs is done.
_NOTHING = re.compile(r'(?:[^;]*\bnot run(?:; |$))*')
_LONG = 60  # characters of an option that are shown


@dataclass(frozen=True)
class Picture:
    """An SVG with its description, for those who do not see it, and its caption."""

    svg: str
    alt: str
    caption: str

    @property
    def url(self) -> str:
        """As a data URL: the page needs no other file."""
        return 'data:image/svg+xml,' + quote(self.svg)


@dataclass(frozen=True)
class ByClass:
    """Differences by class of a variant."""

    table: pd.DataFrame
    picture: Picture


@dataclass(frozen=True)
class CellDetails:
    """What lies behind the lines of a network."""

    title: str
    curves: Picture
    classes: list[ByClass]


@dataclass(frozen=True)
class Section:
    """An item of a work on a dataset.

    Attributes:
        name: In links and names of files.
        title: For people.
        is_own: Whether these are data that the work itself used.
        options: Settings that the runs changed.
        change: These in a phrase; '' if there are none.
        is_reduced: Whether they change more than which masks are used.
        table: Every network, with its gaps.
        shown: The lines of the table that say something.
        not_run: Networks that have none.
        caption: Of the table.
        pictures: Charts of all networks.
        details: What lies behind the lines of each network.
        claims: Every claim with its verdict.
        decided: Those of which some figure is known.
        provenance: Where the numbers come from.
        misprints: What the work prints and cannot mean.
        exhibits: Tables and pictures that the work has beside these.
    """

    name: str
    title: str
    is_own: bool
    options: list[str]
    change: str
    is_reduced: bool
    table: pd.DataFrame
    shown: pd.DataFrame
    not_run: list[str]
    caption: str
    pictures: list[Picture]
    details: list[CellDetails]
    claims: list[tuple[Claim, Verdict]]
    decided: list[tuple[Claim, Verdict]]
    provenance: pd.DataFrame
    misprints: list[tuple[Misprint, pd.DataFrame]]
    exhibits: list[tuple[Exhibit, pd.DataFrame]]

    @property
    def without_runs(self) -> list[str]:
        """Names of the claims that no run says anything about."""
        known = {claim.name for claim, _ in self.decided}
        return [claim.name for claim, _ in self.claims if claim.name not in known]


def section_title(group: Group, work: str = '') -> str:
    """Return the title of a section, with that of its work where there are several."""
    title = f'{group.item}, {group.work.datasets[group.dataset].title}'
    return f'{work}: {title}' if work else title


def make_section(
    group: Group, groups: Sequence[Group], prefix: str = '', work: str = ''
) -> Section:
    """Make tables, charts and verdicts of a group.

    Args:
        group: The group.
        groups: All groups of its work.
        prefix: Of the names of its files, where there are several works.
        work: Title of the work, where there are several.
    """
    stem = f'{prefix} {group.item} {group.dataset}'.strip().lower()
    stem = stem.replace('.', '').replace(' ', '_')
    same = [
        each
        for each in groups
        if each.results and (each.item, each.dataset) == (group.item, group.dataset)
    ]
    others = {
        each.item: each
        for each in groups
        if (each.dataset, each.options) == (group.dataset, group.options)
    }
    table = result_table(group)
    shown, not_run = finished_rows(group, table)
    claims = [
        (claim, claim.judge(group, others))
        for claim in group.work.claims
        if claim.is_about(group.item, group.dataset)
    ]
    return Section(
        name=stem if len(same) <= 1 else f'{stem}_{same.index(group) + 1}',
        title=section_title(group, work),
        is_own=group.is_own,
        options=[_short(option) for option in group.options],
        change=describe_options(group.options),
        is_reduced=is_reduced(group.options),
        table=table,
        shown=shown,
        not_run=not_run,
        caption=table_caption(group),
        pictures=_pictures(group),
        details=[_details(cell, group) for cell in group.cells if cell.results],
        claims=claims,
        decided=[
            (claim, replace(verdict, figures=_in_words(verdict.figures, group)))
            for claim, verdict in claims
            if group.results and not _NOTHING.fullmatch(verdict.figures)
        ],
        provenance=provenance_table(group),
        misprints=[
            (each, pd.DataFrame(list(each.rows)))
            for each in group.work.misprints
            if each.item == group.item
        ],
        exhibits=[(each, pd.DataFrame(list(each.rows))) for each in _exhibits(group)],
    )


def _exhibits(group: Group) -> Sequence[Exhibit]:
    make = group.work.exhibits.get(group.item)
    return make(group) if make is not None and group.results else ()


def _pictures(group: Group) -> list[Picture]:
    """Draw the charts of all networks: of each metric the scores, then the differences.

    What is best in some fold is in tables only: the folds' mean is what is compared.
    """
    pictures = []
    shown = [metric for metric in group.metrics if not metric.key.startswith(BEST_FOLD)]
    for metric in shown if group.results else ():
        words = alt_text(group, metric)
        pictures.append(Picture(bar_chart(group, metric), words, bar_caption(group, metric)))
        pairs = [(cell, pair) for cell in group.cells for pair in cell.pairs]
        found = [(cell, pair, pair.difference(metric.key)) for cell, pair in pairs]
        known = [(cell, pair, each) for cell, pair, each in found if each is not None]
        if known:
            listed = '; '.join(
                f'{cell.experiment.title}, {pair.variant.title}: {each.mean:+.{metric.digits}f}'
                for cell, pair, each in known
            )
            words = f'{metric.title}, paired difference by network. {listed}'
            caption = difference_caption(group, metric)
            pictures.append(Picture(difference_chart(group, metric), words, caption))
    return pictures


def _in_words(figures: str, group: Group) -> str:
    """Return what a claim's verdict is made of, with the titles of metrics for their keys."""
    for metric in group.metrics:
        figures = figures.replace(metric.key, metric.title)
    return figures


def _details(cell: Cell, group: Group) -> CellDetails:
    metric, unit = group.metrics[0], group.metrics[-1].unit
    title = cell.experiment.title
    classes = []
    for pair in cell.pairs:
        table = class_table(pair, 3 if unit == 'fraction' else 1)
        if len(table):
            words = '; '.join(f'{row["class"]} {row["difference"]}' for _, row in table.iterrows())
            alt = f'{title}, {pair.variant.title}, difference by class: {words}'
            picture = Picture(class_chart(pair, unit), alt, class_caption(pair))
            classes.append(ByClass(table, picture))
    alt = f'{title}: training loss and validation {metric.title} by epoch'
    curves = Picture(curve_chart(cell, metric), alt, curve_caption(cell, metric))
    return CellDetails(title, curves, classes)


def _short(option: str) -> str:
    return option if len(option) <= _LONG else f'{option[: _LONG - 2]} …'


def claims_table(claims: Sequence[tuple[Claim, Verdict]]) -> pd.DataFrame:
    """Return claims with their verdicts."""
    return pd.DataFrame(
        [
            {
                'claim': claim.name,
                'the paper says': claim.text,
                'verdict': verdict.label,
                'found': verdict.figures,
                'criterion': claim.criterion,
            }
            for claim, verdict in claims
        ]
    )
