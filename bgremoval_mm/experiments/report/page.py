"""The report of all finished runs: one HTML page, the same as Markdown, and each table as CSV."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import jinja2
import pandas as pd

from bgremoval_mm.experiments.papers.liang2023.claims import CLAIMS, Claim, Verdict
from bgremoval_mm.experiments.report.figures import alt_text, bar_chart, class_chart, curve_chart
from bgremoval_mm.experiments.report.results import (
    METRICS_OF,
    Cell,
    Group,
    group_results,
    read_results,
)
from bgremoval_mm.experiments.report.tables import (
    class_table,
    misprints,
    provenance_table,
    result_table,
)
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.text import printable

__all__ = ['build_report', 'write_report']

DATASETS = {
    'fashionstyle14': 'FashionStyle14',
    'fashionpedia': 'Fashionpedia',
    'fashionpedia47': 'Fashionpedia, background as a class',
    'clothing10': 'Clothing10',
    'ccp': 'Clothing Co-Parsing',
}
# How the files of every version begin.
_HEADS = {
    '.html': re.compile(
        r'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        r'<meta name="viewport"[^\n]*\n<title>Original against background removed</title>\n'
        r'<link rel="icon" href="data:,">\n<style>\n'
    ),
    '.md': re.compile(
        r'# Original against background removed\n\n\d+ runs, [^\n]* UTC\. '
        r'Differences are removed minus original\.\n'
    ),
}
_LONG = 60  # characters of an option that are shown
_PROSE = ('the paper says', 'verdict', 'found', 'criterion')
_LEFT = ' class="left"'


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
class CellDetails:
    """What lies behind one network's line."""

    title: str
    classes: pd.DataFrame
    class_picture: Picture | None
    curves: Picture


@dataclass(frozen=True)
class Section:
    """A result of the paper on a data set."""

    name: str
    title: str
    is_papers: bool
    options: list[str]
    table: pd.DataFrame
    pictures: list[Picture]
    details: list[CellDetails]
    claims: list[tuple[Claim, Verdict]]
    provenance: pd.DataFrame
    misprints: pd.DataFrame


@dataclass(frozen=True)
class Report:
    """Everything that is shown."""

    sections: list[Section]
    not_run: list[str] = field(default_factory=list)
    runs: int = 0
    made: str = ''


def build_report(root: Path) -> Report:
    """Gather the results below a folder.

    Args:
        root: Where ``tools/reproduce.py run`` put its runs; any folder above them.

    Raises:
        FileNotFoundError: If there is no such folder, or no result in it.
        ValueError: If results do not fit each other.
    """
    results = read_results(root)
    if not results:
        msg = f'there is no result.json below {root}: python tools/reproduce.py run'
        raise FileNotFoundError(msg)
    groups = group_results(results)
    # The paper's tables are shown with their gaps: they have numbers to compare with.
    shown = [each for each in groups if each.results or _has_papers_numbers(each)]
    sections = [_section(group, groups) for group in shown]
    not_run = [_title(group) for group in groups if group not in shown]
    made = datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')
    return Report(sections, not_run, len(results), made)


def _has_papers_numbers(group: Group) -> bool:
    return group.is_papers and any(metric.paper for metric in METRICS_OF[group.place])


def _title(group: Group) -> str:
    return f'{group.place}, {DATASETS.get(group.dataset, group.dataset)}'


def _section(group: Group, groups: Sequence[Group]) -> Section:
    metrics = METRICS_OF[group.place]
    scratch = next(
        (
            each
            for each in groups
            if each.place == 'Fig. 5'
            and (each.dataset, each.options) == (group.dataset, group.options)
        ),
        None,
    )
    stem = f'{group.place} {group.dataset}'.lower().replace('.', '').replace(' ', '_')
    same = [
        each
        for each in groups
        if each.results and (each.place, each.dataset) == (group.place, group.dataset)
    ]
    return Section(
        name=stem if len(same) <= 1 else f'{stem}_{same.index(group) + 1}',
        title=_title(group),
        is_papers=group.is_papers,
        options=[_short(option) for option in group.options],
        table=result_table(group),
        pictures=[
            Picture(bar_chart(group, each), alt_text(group, each))
            for each in metrics
            if group.results
        ],
        details=[_details(cell, group) for cell in group.cells if cell.arms],
        claims=[
            (claim, claim.judge(group, scratch)) for claim in CLAIMS if claim.place == group.place
        ],
        provenance=provenance_table(group),
        misprints=misprints(group) if group.place == 'Table I' else pd.DataFrame(),
    )


def _details(cell: Cell, group: Group) -> CellDetails:
    metric = METRICS_OF[group.place][0]
    classes = class_table(cell)
    title = cell.experiment.title
    picture = None
    if len(classes):
        alt = '; '.join(f'{row["class"]} {row["difference"]}' for _, row in classes.iterrows())
        picture = Picture(class_chart(cell), f'{title}, difference by class: {alt}')
    curves = Picture(
        curve_chart(cell, metric), f'{title}: training loss and validation {metric.title} by epoch'
    )
    return CellDetails(title, classes, picture, curves)


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
    environment.filters['table'] = _html_table
    environment.filters['markdown'] = _markdown_table
    for name, template in (('index.html', 'report.html.j2'), ('report.md', 'report.md.j2')):
        source = files(__package__).joinpath(template).read_text(encoding='utf-8')
        environment.loader = jinja2.DictLoader({template: source})
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
    """The claims of a section with their verdicts."""
    return pd.DataFrame(
        [
            {
                'claim': claim.name,
                'the paper says': claim.text,
                'verdict': verdict.word,
                'found': verdict.figures,
                'criterion': claim.criterion,
            }
            for claim, verdict in section.claims
        ]
    )


def _html_table(table: pd.DataFrame) -> str:
    """A table inside a box that scrolls by itself on a narrow screen."""
    from markupsafe import Markup, escape

    head = ''.join(
        f'<th scope="col"{_LEFT if name in _PROSE else ""}>{escape(name)}</th>'
        for name in table.columns
    )
    rows = []
    for values in table.itertuples(index=False):
        cells = [f'<th scope="row">{escape(values[0])}</th>']
        for name, value in zip(table.columns[1:], values[1:], strict=True):
            kind = ' class="paper"' if name.startswith('paper:') else ''
            if name == 'verdict':
                kind = f' class="verdict {str(value).replace(" ", "-")}"'
            elif name in _PROSE:
                kind = ' class="prose"'
            cells.append(f'<td{kind}>{escape(value)}</td>')
        rows.append(f'<tr>{"".join(cells)}</tr>')
    return Markup(  # every value is escaped above
        '<div class="scroll" tabindex="0" role="region" aria-label="table"><table><thead><tr>'
        f'{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _markdown_table(table: pd.DataFrame) -> str:
    def line(values: Sequence[object]) -> str:
        return '| ' + ' | '.join(str(value).replace('|', '\\|') for value in values) + ' |'

    head = [line(list(table.columns)), '|' + '---|' * len(table.columns)]
    return '\n'.join(head + [line(values) for values in table.itertuples(index=False)])
