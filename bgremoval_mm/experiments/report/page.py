"""The report of all finished runs: one HTML page, the same as Markdown, and each table as CSV.

Pictures of a work's own, such as confusion matrices, are PNG files that the pages link.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import jinja2

from bgremoval_mm.experiments.base import Work
from bgremoval_mm.experiments.papers import WORKS, load_work
from bgremoval_mm.experiments.report.groups import Group, group_results
from bgremoval_mm.experiments.report.results import read_results
from bgremoval_mm.experiments.report.sections import (
    Section,
    claims_table,
    make_section,
    section_title,
)
from bgremoval_mm.experiments.report.words import real_minus
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.text import printable

__all__ = ['build_report', 'write_report']

_REMOVED, _CHANGED = 'Original against background removed', 'Original against other backgrounds'
_SEVERAL = 'Results of several works'
# How the files of every version begin; earlier ones named no generator.
_HEADS = {
    '.html': re.compile(
        r'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        r'<meta name="viewport"[^\n]*\n'
        rf'(?:<title>(?:{_REMOVED}|{_CHANGED})</title>\n<link rel="icon" href="data:,">\n<style>\n|'
        r'<meta name="generator" content="tools/reproduce\.py report">\n)'
    ),
    '.md': re.compile(
        r'# [^\n]+\n\n\d+ runs, [^\n]* UTC\. '
        r'Differences are [^\n]* minus (?:original|its baseline)\.\n'
    ),
}


@dataclass(frozen=True)
class Report:
    """Everything that is shown.

    Attributes:
        works: The works of the results.
        heading: Of the page.
        lead: What the page is about, for a colon; '' where the heading says it.
        changed: What differs from the baseline: 'removed', or 'each variant' if there are several.
        baseline: What it differs from: 'original', or 'its baseline' if that is something else.
        sections: One an item, dataset and set of options.
        not_run: Titles of what is not shown, for want of results.
        runs: Number of finished runs.
        made: When the report was made.
    """

    works: list[Work]
    heading: str
    lead: str
    changed: str
    baseline: str
    sections: list[Section]
    not_run: list[str] = field(default_factory=list)
    runs: int = 0
    made: str = ''

    @property
    def has_folds(self) -> bool:
        """Whether experiments of a work are cross-validated."""
        return any(work.folds for work in self.works)


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
        # Where the work prints numbers to compare with, they are shown without runs, too, below.
        shown = [group for group in groups if group.results]
        shown += [group for group in groups if not group.results and _has_own_numbers(group)]
        sections += [make_section(group, groups, *prefix) for group in shown]
        not_run += [section_title(group, prefix[1]) for group in groups if group not in shown]
    made = datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')
    columns = {
        variant.column for each in works for e in each.experiments for variant in e.variants[1:]
    }
    changed = columns.pop() if len(columns) == 1 else 'each variant'
    heading, lead, baseline = _heading(works, changed)
    return Report(works, heading, lead, changed, baseline, sections, not_run, len(results), made)


def _heading(works: list[Work], changed: str) -> tuple[str, str, str]:
    """Return the heading of the page, its lead, and what the variants' baseline is."""
    own = {work.heading for work in works}
    if own != {''}:
        return (own.pop() if len(own) == 1 else _SEVERAL), '', 'its baseline'
    lead = 'What {} the background of the photos does to the results'
    if changed == 'removed':
        return _REMOVED, lead.format('removing'), 'original'
    return _CHANGED, lead.format('changing'), 'original'


def _order(name: str) -> tuple[int, str]:
    return (WORKS.index(name) if name in WORKS else len(WORKS)), name


def _has_own_numbers(group: Group) -> bool:
    return group.is_own and group.has_numbers


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write ``index.html``, ``report.md``, a CSV file a table and a PNG file a linked picture.

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
            ('_claims', claims_table(section.claims)),
            ('_runs', section.provenance),
        )
        if len(table)
    }
    for section in report.sections:
        for exhibit, table in section.exhibits:
            if len(table):
                texts[folder / f'{section.name}_{exhibit.name}.csv'] = table.to_csv(index=False)
    pictures = {
        folder / f'{section.name}_{exhibit.name}.png': exhibit.picture
        for section in report.sections
        for exhibit, _ in section.exhibits
        if exhibit.picture
    }
    environment = jinja2.Environment(
        autoescape=jinja2.select_autoescape(['html.j2']), trim_blocks=True, lstrip_blocks=True
    )
    environment.loader = jinja2.PackageLoader(__package__, '')
    environment.filters['minus'] = real_minus
    for name, template in (('index.html', 'report.html.j2'), ('report.md', 'report.md.j2')):
        page = environment.get_template(template).render(report=report, claims_table=claims_table)
        texts[folder / name] = page
    _check_ours(folder, texts, pictures)
    folder.mkdir(parents=True, exist_ok=True)
    files = {path: text.encode() for path, text in texts.items()} | pictures
    for path, content in files.items():
        write_atomically(path, content)
    return list(files)


def _check_ours(folder: Path, texts: Mapping[Path, str], pictures: Iterable[Path]) -> None:
    """Refuse to replace what no report of ours has written."""
    has_page = _begins_like(folder / 'index.html', _HEADS['.html'])
    for path, text in [*texts.items(), *((path, '') for path in pictures)]:
        if not path.exists() or (path.suffix == '.png' and has_page):
            continue
        head = re.compile(re.escape(text.partition('\n')[0])) if path.suffix == '.csv' else None
        # The columns of a table may be those of another version; the page beside it is ours then.
        known = path.suffix != '.png' and _begins_like(path, head or _HEADS[path.suffix])
        if not (known or (head and has_page)):
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
