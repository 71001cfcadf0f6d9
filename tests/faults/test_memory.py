"""Memory does not grow with the number of files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.mark.slow
def test_ten_times_the_files(repository: Path, tmp_path: Path, picture, capsys) -> None:
    """A job over 4,000 files, and one that finds them done, peaks like one over 400."""
    for index in range(20):
        pixels = picture(300, 200, index)
        Image.fromarray(np.asarray(pixels)).save(tmp_path / f'{index}.jpg')
    command = [sys.executable, str(repository / 'benchmarks/memory.py'), str(tmp_path)]
    done = subprocess.run(
        [*command, '--few', '400', '--many', '4000', '--tiny'],
        capture_output=True,
        text=True,
        check=True,
    )
    with capsys.disabled():
        print(f'\n{done.stdout}')
    found = re.search(r'from nothing: ([+-][0-9.]+)%; again: ([+-][0-9.]+)%', done.stdout)
    assert found is not None
    assert float(found[1]) < 10
    assert float(found[2]) < 10
