"""Training a variant once, with small scripts in place of train.py and test.py."""

from __future__ import annotations

import json
import pickle
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bgremoval_mm.demo import training
from bgremoval_mm.demo.training import STATE, StepError, Trainer, read_predictions

# Both write their arguments to calls.txt beside the work_dir, and what the real tools write.
START = """
import os, pathlib, sys
arguments = sys.argv[1:]
work_dir = pathlib.Path(arguments[arguments.index('--work-dir') + 1])
calls = (work_dir.parent / 'calls.txt').open('a')
"""
TRAIN = """
print('train', 'resume' if '--resume' in arguments else 'fresh', *arguments[-3:], file=calls)
print('root', os.environ['BGREMOVAL_DEMO_ROOT'])
print('mmengine - INFO - Epoch(val) [5][2/2]    accuracy/top1: 61.2345  time: 0.1')
(work_dir / 'last_checkpoint').write_text('the_checkpoint.pth')
if (work_dir.parent / 'fail').exists():
    sys.exit('boom')
"""
TEST = """
print('test', arguments[1], file=calls)
pathlib.Path(arguments[arguments.index('--out') + 1]).write_bytes(b'predictions')
"""
CONFIG = Path('configs/variant.py')
FRESH = [
    'train fresh randomness.seed=7 train_cfg.max_epochs=2 param_scheduler.T_max=2',
    'test the_checkpoint.pth',
]


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    """A trainer that calls the two scripts."""
    tools = tmp_path / 'tools'
    tools.mkdir()
    (tools / 'train.py').write_text(START + TRAIN)
    (tools / 'test.py').write_text(START + TEST)
    return Trainer(tools, tmp_path / 'out', 'key', epochs=2)


@pytest.fixture
def work_dir(trainer: Trainer) -> Path:
    """The folder of the variant, not yet made."""
    return trainer.out / 'work_dirs' / 'seed7' / 'variant'


def calls(work_dir: Path) -> list[str]:
    """Return what was called, and forget it."""
    path = work_dir.parent / 'calls.txt'
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_a_variant_is_trained_and_tested_once(trainer: Trainer, work_dir: Path) -> None:
    """Seed and length reach the tools, the log is kept, and the second call does nothing."""
    said: list[str] = []
    predictions = trainer.run(CONFIG, 7, said.append)
    assert predictions.read_bytes() == b'predictions'
    assert calls(work_dir) == FRESH
    assert 'epoch 5: validation top-1 61.2 %' in said
    assert f'root {trainer.out}' in (trainer.out / 'logs' / 'train_variant_seed7.log').read_text()
    said.clear()
    assert trainer.run(CONFIG, 7, said.append) == predictions
    assert calls(work_dir) == []
    assert said == ['trained and tested before, nothing has changed']


def test_pairs_are_trained_with_every_seed(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Predictions come by seed, the original's first, which is done before the other begins."""
    monkeypatch.setattr(training, 'usable_cores', lambda: 3)
    pair = (Path('configs/a.py'), Path('configs/b.py'))
    said: list[tuple[str, int, str]] = []
    files = trainer.run_pairs(pair, (4, 5), lambda *line: said.append((line[0].stem, *line[1:])))
    root = trainer.out / 'work_dirs'
    assert files == [
        tuple(root / f'seed{seed}' / name / 'predictions.pkl' for name in 'ab') for seed in (4, 5)
    ]
    for seed in (4, 5):
        own = [f'{name} {text}' for name, number, text in said if number == seed]
        assert own == [
            f'{name} {text}'
            for name in 'ab'
            for text in (
                'training',
                'epoch 5: validation top-1 61.2 %',
                'testing on other products and other backgrounds',
            )
        ]


def test_a_failed_training_ends_the_others(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has not begun is not begun; the error is that of the training."""
    monkeypatch.setattr(training, 'usable_cores', lambda: 1)
    folder = trainer.out / 'work_dirs' / 'seed4'
    folder.mkdir(parents=True)
    (folder / 'fail').touch()
    pair = (Path('configs/a.py'), Path('configs/b.py'))
    with pytest.raises(StepError, match=r'train\.py ended with exit code 1'):
        trainer.run_pairs(pair, (4, 5), lambda *_: None)
    assert not (folder / 'b').exists()


@pytest.mark.parametrize('change', [{'key': 'other'}, {'overwrite': True}])
def test_changed_inputs_or_overwrite_train_again(
    trainer: Trainer, work_dir: Path, change: dict[str, object]
) -> None:
    """Another key, or overwrite, empties the work_dir first."""
    trainer.run(CONFIG, 7, print)
    (work_dir / 'old.pth').touch()
    calls(work_dir)
    replace(trainer, **change).run(CONFIG, 7, print)
    assert calls(work_dir) == FRESH
    assert not (work_dir / 'old.pth').exists()


def test_failed_tool_is_reported_and_resumed_next_time(trainer: Trainer, work_dir: Path) -> None:
    """The error names tool, exit code and log with its end; the next run resumes."""
    fail = work_dir.with_name('fail')
    fail.parent.mkdir(parents=True)
    fail.touch()
    log = re.escape(str(trainer.out / 'logs' / 'train_variant_seed7.log'))
    with pytest.raises(StepError, match=rf'(?s)tools/train\.py .*exit code 1.*{log}.*boom'):
        trainer.run(CONFIG, 7, print)
    assert json.loads((work_dir / STATE).read_text())['done'] is False
    fail.unlink()
    calls(work_dir)
    trainer.run(CONFIG, 7, print)
    assert [call.split()[1] for call in calls(work_dir)] == ['resume', 'the_checkpoint.pth']


@pytest.mark.parametrize('state', [None, '{"epoch": 3}', '{"key": 3, "done": 1}', '[]', 'no JSON'])
def test_foreign_work_dir_is_left_alone(
    trainer: Trainer, work_dir: Path, state: str | None
) -> None:
    """A work_dir of someone else is refused and kept, also with a demo_state.json of theirs."""
    mine = work_dir / 'mine.pth'
    mine.parent.mkdir(parents=True)
    mine.touch()
    problem = f'holds no {STATE}'
    if state is not None:
        (work_dir / STATE).write_text(state)
        problem = f'its {STATE} is not one that the demo wrote'
    with pytest.raises(FileExistsError, match=f'{problem}: move the folder away, or choose ano'):
        replace(trainer, overwrite=True).run(CONFIG, 7, print)
    assert mine.exists()


def test_predictions_are_named_by_file_and_class(tmp_path: Path) -> None:
    """Labels 0 and 6 are the first and the last class; paths are relative."""
    path = tmp_path / 'predictions.pkl'
    samples = [
        {'img_path': '/root/images/test/tee/a.jpg', 'pred_label': 0},
        {'img_path': '/root/images/test/shoe/b.jpg', 'pred_label': 6},
    ]
    path.write_bytes(pickle.dumps(samples))
    assert read_predictions(path, Path('/root/images')) == {
        'test/tee/a.jpg': 'cushion',
        'test/shoe/b.jpg': 'tee',
    }
