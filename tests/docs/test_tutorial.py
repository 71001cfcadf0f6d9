"""docs/tutorial.md: its configs and commands, from photos to the audit, on a few small photos."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import Config
from PIL import Image

from bgremoval_mm.datasets.clothing10 import CLASSES

PAGE = Path(__file__).resolve().parents[2] / 'docs' / 'tutorial.md'
SMALL = {
    'model.backbone.base_channels': 8,
    'model.backbone.stem_channels': 8,
    'model.head.in_channels': 64,
    'train_cfg.max_epochs': 1,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
    'test_dataloader.num_workers': 0,
    'test_dataloader.persistent_workers': False,
}


@pytest.fixture
def clothing10(tmp_path: Path, picture, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make ``data/clothing10`` in a working folder, with one small photo in each class."""
    monkeypatch.chdir(tmp_path)
    root = tmp_path / 'data' / 'clothing10'
    for subset in ('train', 'validation', 'test'):
        for seed, name in enumerate(CLASSES):
            (root / subset / name).mkdir(parents=True)
            photo = Image.fromarray(picture(48, 64, seed))
            photo.save(root / subset / name / f'{subset}{seed}.jpg')
    return root


def read_commands() -> list[list[str]]:
    """Return the words of the tutorial's tested commands, for the seed 1 and a single epoch."""
    text = PAGE.read_text(encoding='utf-8').replace('epoch_20', 'epoch_1').replace('\\\n', ' ')
    blocks = re.findall(r'^```bash tested=\S+\n(.*?)^```$', text, re.M | re.S)
    lines = ''.join(blocks).replace('$SEED', '1').splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


@pytest.mark.slow
def test_tutorial_runs(
    clothing10: Path,
    tiny_model: Callable,
    titled_blocks: Callable[[str], dict[str, str]],
    run_tool: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every command ends well, and the pairs' differences make an interval."""
    pytest.importorskip('mmpretrain')
    tiny_model('u2net')
    blocks = titled_blocks('tutorial.md')
    for name in ('mine.py', 'mine-rembg.py'):
        Path(name).write_text(blocks[name])
    mine = Config.fromfile('mine.py')
    assert mine.train_cfg.max_epochs == 20
    assert mine.model.head.num_classes == len(CLASSES)
    mine.merge_from_dict(SMALL)
    mine.dump('mine.py')

    commands = read_commands()
    assert ['SEED=1'] in commands
    for program, *arguments in commands:
        if program == 'python':
            try:
                run_tool(Path(arguments[0]).stem, *arguments[1:])
            except SystemExit as err:
                assert not err.code, arguments  # noqa: PT017

    pair, again = Path('work_dirs/mine-rembg'), Path('work_dirs/seed1/mine-rembg')
    for seed, folder in enumerate((pair, again)):
        report = json.loads((folder / 'diff_metrics.json').read_text())
        assert report['test']['accuracy/top1']['images'] == len(CLASSES)
        assert Path(report['runs']['test']['baseline']).samefile(folder.with_name('mine'))
        assert report['runs']['train']['seed'] == seed
        assert report['runs']['train']['baseline_seed'] == seed
    assert Path('pair.png').is_file()
    assert Path('work_dirs/mine/audit/audit.png').is_file()

    Path('work_dirs/seed2').symlink_to('seed1')
    capsys.readouterr()
    exec(compile(blocks['compare.py'], 'compare.py', 'exec'), {})
    assert 'count=3' in capsys.readouterr().out
