"""Confusion matrices: read back, drawn, and refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.cli.main import main
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.visualization.confusion import draw_confusion, read_confusion


def test_drawing_shows_the_shares() -> None:
    """A matrix of all right and one of all wrong are dark in other places."""
    names = ['a', 'b']
    right = np.asarray(draw_confusion(names, np.diag([5, 9]), 'right')).astype(int)
    wrong = np.asarray(draw_confusion(names, np.diag([5, 9])[:, ::-1], 'wrong')).astype(int)
    assert right.shape == wrong.shape
    assert np.abs(right - wrong).mean() > 10
    large = draw_confusion([f'class {n}' * 9 for n in range(43)], np.ones((43, 43), int), '43')
    assert min(large.size) > 2000


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command draws a table; something else is an error of one line."""
    table, out = tmp_path / 'confusion.csv', tmp_path / 'confusion.png'
    table.write_text('true,a,b\na,1,2\nb,0,3\n')
    assert main(['catalogue', 'confusion', str(table), '--out', str(out)]) == 0
    assert out.read_bytes().startswith(b'\x89PNG')
    assert f'Look at {out}' in capsys.readouterr().out
    table.write_text('image,a\nb,1\n')
    assert main(['catalogue', 'confusion', str(table), '--out', str(out)]) == 1
    assert 'must be a confusion matrix' in capsys.readouterr().err


@pytest.mark.parametrize('text', ['', 'x,a,b\na,1,2\n', 'x,a\na,one\n', 'x,a,b\na,1\nb,1,2\n'])
def test_other_tables(tmp_path: Path, text: str) -> None:
    """Empty, not square, not of numbers, ragged."""
    (tmp_path / 'a.csv').write_text(text)
    with pytest.raises(ArgumentError, match=r'a\.csv must be a confusion matrix: '):
        read_confusion(tmp_path / 'a.csv')
