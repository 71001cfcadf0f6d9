"""The defaults register says what the commands and the tests of drift really use."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bgremoval_mm.cli.main import make_parser
from bgremoval_mm.monitoring import drift
from bgremoval_mm.monitoring.shifts import LOOKBACKS, Rule

REGISTER = (Path(__file__).resolve().parents[2] / 'docs/defaults.md').read_text(encoding='utf-8')
_, _, SECTION = REGISTER.partition('## Watching and retraining')
ROWS = {
    cells[0].strip(' `'): cells[1].strip(' `')
    for line in SECTION.splitlines()
    if len(cells := line.strip('|').split('|')) == 3 and '---' not in line
}


@pytest.mark.parametrize(
    ('command', 'name'),
    [
        ('monitor', '--window'),
        ('monitor', '--false-alarms'),
        ('monitor', '--smallest'),
        ('retrain', '--held-back'),
        ('retrain', '--least'),
    ],
)
def test_options(command: str, name: str) -> None:
    """Each option's default is the registered one, and its help says so."""
    parser = make_parser()
    commands = next(a for a in parser._actions if a.dest == 'command').choices
    assert commands is not None
    chosen = commands[command]  # type: ignore[index]
    (action,) = [each for each in chosen._actions if name in each.option_strings]
    assert str(action.default) == ROWS[name]
    assert re.search(rf'\(default: {re.escape(ROWS[name])}\)', action.help)


def test_the_rest() -> None:
    """So are the constants of the tests."""
    rule = Rule()
    assert (str(rule.false_alarms), str(rule.smallest)) == (
        ROWS['--false-alarms'],
        ROWS['--smallest'],
    )
    assert str(rule.least) == ROWS['verdicts on each side of a test']
    assert ', '.join(map(str, LOOKBACKS)) == ROWS['lookbacks']
    assert str(drift.LEVEL) == ROWS['level of drift']
    assert str(drift.PSI) == ROWS['index of drift']
    assert str(drift.LEAST) == ROWS['masks of drift']
