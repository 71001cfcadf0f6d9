"""The report of all finished runs: one HTML page, the same as Markdown, and each table as CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import jinja2
import pandas as pd

from bgremoval_mm.experiments.base import Claim, Misprint, Verdict, Work
from bgremoval_mm.experiments.papers import WORKS, load_work
from bgremoval_mm.experiments.report.figures import alt_text, bar_chart, class_chart, curve_chart
from bgremoval_mm.experiments.report.groups import Cell, Group, group_results
from bgremoval_mm.experiments.report.results import read_results
from bgremoval_mm.experiments.report.tables import class_table, provenance_table, result_table
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.text import printable

__all__ = ['build_report', 'write_report']

_TITLE = r'Original against (?:background removed|other backgrounds)'
# How the files of every version begin.
_HEADS = {
    '.html': re.compile(
        r'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        r'<meta name="viewport"[^\n]*\n<title>' + _TITLE + r'</title>\n'
        r'<link rel="icon" href="data:,">\n<style>\n'
    ),
    '.md': re.compile(
        r'# ' + _TITLE + r'\n\n\d+ runs, [^\n]* UTC\. '
        r'Differences are [^\n]* minus original\.\n'
    ),
}
_LONG = 60  # characters of an option that are shown


@dataclass(frozen=True)
class Picture:
    """An SVG with its description."""

    svg: str
    alt: str

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
    """An item of a work on a dataset."""

    name: str
    title: str
    is_own: bool
    options: list[str]
    table: pd.DataFrame
    pictures: list[Picture]
    details: list[CellDetails]
    claims: list[tuple[Claim, Verdict]]
    provenance: pd.DataFrame
    misprints: list[tuple[Misprint, pd.DataFrame]]


@dataclass(frozen=True)
class Report:
    """Everything that is shown.

    Attributes:
        works: The works of the results.
        changed: What differs from the original: 'removed', or 'each variant' if there are several.
        sections: One an item, dataset and set of options.
        not_run: Titles of what is not shown, for want of results.
        runs: Number of finished runs.
        made: When the report was made.
    """

    works: list[Work]
    changed: str
    sections: list[Section]
    not_run: list[str] = field(default_factory=list)
    runs: int = 0
    made: str = ''


def build_report(root: Path, work: str | None = None) -> Report:
    """Gather the results below a folder.

    Args:
        root: Where ``tools/reproduce.py run`` put its runs; any folder above them.
        work: Name of the only work that is shown; None: all that have a result.

    Raises:
        FileNotFoundError: If there is no such folder, or no result in it.
        ValueError: If results do not fit each other.
    """
    results = [each for each in read_results(root) if work in (None, each.work)]
    if not results:
        msg = f'there is no result.json below {root}: python tools/reproduce.py run'
        raise FileNotFoundError(msg)
    found = dict.fromkeys(each.work for each in results)
    works = [load_work(name) for name in sorted(found, key=_order)]
    sections, not_run = [], []
    for each in works:
        prefix = (each.name, each.title) if len(works) > 1 else ('', '')
        groups = group_results(results, each)
        # Where the work prints numbers to compare with, a table is shown with its gaps.
        shown = [group for group in groups if group.results or _has_own_numbers(group)]
        sections += [_section(group, groups, *prefix) for group in shown]
        not_run += [_title(group, prefix[1]) for group in groups if group not in shown]
    made = datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')
    columns = {
        variant.column for each in works for e in each.experiments for variant in e.variants[1:]
    }
    changed = columns.pop() if len(columns) == 1 else 'each variant'
    return Report(works, changed, sections, not_run, len(results), made)


def _order(name: str) -> tuple[int, str]:
    return (WORKS.index(name) if name in WORKS else len(WORKS)), name


def _has_own_numbers(group: Group) -> bool:
    return group.is_own and group.has_numbers


def _title(group: Group, work: str) -> str:
    title = f'{group.item}, {group.work.datasets[group.dataset].title}'
    return f'{work}: {title}' if work else title


def _section(group: Group, groups: Sequence[Group], prefix: str, work: str) -> Section:
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
    return Section(
        name=stem if len(same) <= 1 else f'{stem}_{same.index(group) + 1}',
        title=_title(group, work),
        is_own=group.is_own,
        options=[_short(option) for option in group.options],
        table=result_table(group),
        pictures=[
            Picture(bar_chart(group, each), alt_text(group, each))
            for each in group.metrics
            if group.results
        ],
        details=[_details(cell, group) for cell in group.cells if cell.results],
        claims=[
            (claim, claim.judge(group, others))
            for claim in group.work.claims
            if claim.is_about(group.item, group.dataset)
        ],
        provenance=provenance_table(group),
        misprints=[
            (each, pd.DataFrame(list(each.rows)))
            for each in group.work.misprints
            if each.item == group.item
        ],
    )


def _details(cell: Cell, group: Group) -> CellDetails:
    metric, unit = group.metrics[0], group.metrics[-1].unit
    title = cell.experiment.title
    classes = []
    for pair in cell.pairs:
        table = class_table(pair, 3 if unit == 'fraction' else 1)
        if len(table):
            words = '; '.join(f'{row["class"]} {row["difference"]}' for _, row in table.iterrows())
            alt = f'{title}, {pair.variant.title}, difference by class: {words}'
            classes.append(ByClass(table, Picture(class_chart(pair, unit), alt)))
    alt = f'{title}: training loss and validation {metric.title} by epoch'
    return CellDetails(title, Picture(curve_chart(cell, metric), alt), classes)


def _short(option: str) -> str:
    return option if len(option) <= _LONG else f'{option[: _LONG - 2]} …'


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write ``index.html``, ``report.md`` and a CSV file a table.

    Args:
        report: What to write.
        folder: Where; it is made if it is missing.

    Returns:
        The files.

    Raises:
        ArgumentError: If a file of that name is there and no report of ours.
    """
    texts = {
        folder / f'{section.name}{suffix}.csv': table.to_csv(index=False)
        for section in report.sections
        for suffix, table in (
            ('', section.table),
            ('_claims', claims_table(section)),
            ('_runs', section.provenance),
        )
        if len(table)
    }
    environment = jinja2.Environment(
        autoescape=jinja2.select_autoescape(['html.j2']), trim_blocks=True, lstrip_blocks=True
    )
    environment.loader = jinja2.PackageLoader(__package__, '')
    for name, template in (('index.html', 'report.html.j2'), ('report.md', 'report.md.j2')):
        page = environment.get_template(template).render(report=report, claims_table=claims_table)
        texts[folder / name] = page
    _check_ours(folder, texts)
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        write_atomically(path, text.encode())
    return list(texts)


def _check_ours(folder: Path, texts: Mapping[Path, str]) -> None:
    """Refuse to replace what no report of ours has written."""
    has_page = _begins_like(folder / 'index.html', _HEADS['.html'])
    for path, text in texts.items():
        if not path.exists():
            continue
        head = re.compile(re.escape(text.partition('\n')[0])) if path.suffix == '.csv' else None
        # The columns of a table may be those of another version; the page beside it is ours then.
        if not (_begins_like(path, head or _HEADS[path.suffix]) or (head and has_page)):
            msg = (
                f'{printable(path)} is there, but is no part of a report of ours. Move it away, or '
                'choose another --out'
            )
            raise ArgumentError(msg)


def _begins_like(path: Path, head: re.Pattern[str]) -> bool:
    try:
        return head.match(path.read_text(encoding='utf-8')) is not None
    except (OSError, ValueError):
        return False


def claims_table(section: Section) -> pd.DataFrame:
    """Return the claims of a section with their verdicts."""
    return pd.DataFrame(
        [
            {
                'claim': claim.name,
                'the paper says': claim.text,
                'verdict': verdict.label,
                'found': verdict.figures,
                'criterion': claim.criterion,
            }
            for claim, verdict in section.claims
        ]
    )
