"""What the tests of the documentation share: its code blocks, and a folder to run them in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(r'^```python\n# (?P<title>[^\n]*)\n(?P<code>.*?)^```$', re.M | re.S)


@pytest.fixture(scope='session')
def titled_blocks() -> Callable[[str], dict[str, str]]:
    """Return a function that reads a page's Python blocks that begin with a comment, by comment."""

    def read(page: str) -> dict[str, str]:
        text = (ROOT / 'docs' / page).read_text(encoding='utf-8')
        return {match['title']: match['code'] for match in _BLOCK.finditer(text)}

    return read


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make ``data/photos`` in a working folder: class folders, a COCO file, label maps, a table."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / 'data' / 'photos'
    random = np.random.default_rng(0)
    categories = [{'id': 1, 'name': 'thing'}]
    outline = [20, 16, 44, 16, 44, 48, 20, 48]
    table = []
    for subset in ('train', 'val'):
        images, annotations = [], []
        for index in range(4):
            pixels = random.integers(0, 90, (64, 64, 3)).astype(np.uint8)
            labels = np.zeros((64, 64), np.uint8)
            pixels[16:48, 20:44] += 150
            labels[16:48, 20:44] = 1
            name = 'hat' if index % 2 else 'dress'
            for folder, content, suffix in (
                (f'{subset}/{name}', pixels, 'jpg'),
                (f'images/{subset}', pixels, 'jpg'),
                (f'labels/{subset}', labels, 'png'),
            ):
                (root / folder).mkdir(parents=True, exist_ok=True)
                Image.fromarray(content).save(root / folder / f'{index}.{suffix}')
            table.append(f'{subset}/{name}/{index}.jpg;{name}\n')
            file_name = f'{subset}/{index}.jpg'
            images.append({'id': index, 'file_name': file_name, 'width': 64, 'height': 64})
            box = {'bbox': [20, 16, 24, 32], 'area': 768, 'segmentation': [outline], 'iscrowd': 0}
            annotations.append({'id': index + 1, 'image_id': index, 'category_id': 1, **box})
        content = {'images': images, 'annotations': annotations, 'categories': categories}
        (root / f'{subset}.json').write_text(json.dumps(content))
    (tmp_path / 'data' / 'table.csv').write_text(''.join(table))
    return root
