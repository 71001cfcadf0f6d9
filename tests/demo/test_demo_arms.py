"""Training an arm once, with small scripts in place of train.py and test.py."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import pytest

from bgremoval_mm.demo.arms import STATE, StepError, Trainer, read_predictions

# Writes its arguments to calls.txt beside the work_dir, and what mmengine's tools would write.
TRAIN = """
import os, pathlib, sys
arguments = sys.argv[1:]
work_dir = pathlib.Path(arguments[arguments.index('--work-dir') + 1])
with open(work_dir.parent / 'calls.txt', 'a') as file:
    print('train', 'resume' if '--resume' in arguments else 'anew', *arguments[-3:], file=file)
print('root', os.environ['BGREMOVAL_DEMO_ROOT'])
print('mmengine - INFO - Epoch(val) [5][2/2]    accuracy/top1: 61.2345  time: 0.1')
(work_dir / 'last_checkpoint').write_text('the_checkpoint.pth')
if (work_dir.parent / 'fail').exists():
    sys.exit('boom')
"""
TEST = """
import pathlib, sys
arguments = sys.argv[1:]
work_dir = pathlib.Path(arguments[arguments.index('--work-dir') + 1])
with open(work_dir.parent / 'calls.txt', 'a') as file:
    print('test', arguments[1], file=file)
pathlib.Path(arguments[arguments.index('--out') + 1]).write_bytes(b'predictions')
"""


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with both scripts."""
    folder = tmp_path / 'tools'
    folder.mkdir()
    (folder / 'train.py').write_text(TRAIN)
    (folder / 'test.py').write_text(TEST)
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The demo's folder."""
    return tmp_path / 'out'


CONFIG = Path('configs/arm.py')


def calls(out: Path) -> list[str]:
    """What was called, and forget it."""
    path = out / 'work_dirs' / 'calls.txt'
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_an_arm_is_trained_and_tested_once(tools: Path, out: Path) -> None:
    """Seed and length reach the tools, the log is kept, and the second call does nothing."""
    said: list[str] = []
    trainer = Trainer(tools, out, 'key', seed=7, epochs=2)
    predictions = trainer.run(CONFIG, said.append)
    assert predictions.read_bytes() == b'predictions'
    assert calls(out) == [
        'train anew randomness.seed=7 train_cfg.max_epochs=2 param_scheduler.T_max=2',
        'test the_checkpoint.pth',
    ]
    assert '  epoch  5: validation top-1 61.2 %' in said
    assert f'root {out}' in (out / 'logs' / 'train_arm.log').read_text()
    said.clear()
    assert trainer.run(CONFIG, said.append) == predictions
    assert calls(out) == []
    assert said == ['Trained and tested before, nothing has changed']


def test_changed_inputs_or_overwrite_train_anew(tools: Path, out: Path) -> None:
    """Another key, or overwrite, empties the work_dir first."""
    Trainer(tools, out, 'key', 0, 2).run(CONFIG, print)
    leftover = out / 'work_dirs' / 'arm' / 'old.pth'
    for trainer in (Trainer(tools, out, 'other', 0, 2), Trainer(tools, out, 'other', 0, 2, True)):
        leftover.touch()
        calls(out)
        trainer.run(CONFIG, print)
        assert [call.split()[:2] for call in calls(out)] == [
            ['train', 'anew'],
            ['test', 'the_checkpoint.pth'],
        ]
        assert not leftover.exists()


def test_failed_tool_is_reported_and_goes_on_next_time(tools: Path, out: Path) -> None:
    """The error names tool, exit code and log with its end; the next run resumes."""
    (out / 'work_dirs').mkdir(parents=True)
    fail = out / 'work_dirs' / 'fail'
    fail.touch()
    trainer = Trainer(tools, out, 'key', 0, 2)
    log = re.escape(str(out / 'logs' / 'train_arm.log'))
    with pytest.raises(StepError, match=rf'(?s)tools/train\.py .*exit code 1.*{log}.*boom'):
        trainer.run(CONFIG, print)
    assert json.loads((out / 'work_dirs' / 'arm' / STATE).read_text())['done'] is False
    fail.unlink()
    calls(out)
    trainer.run(CONFIG, print)
    assert [call.split()[1] for call in calls(out)] == ['resume', 'the_checkpoint.pth']


def test_foreign_work_dir_is_left_alone(tools: Path, out: Path) -> None:
    """A work_dir of someone else is refused and kept."""
    mine = out / 'work_dirs' / 'arm' / 'mine.pth'
    mine.parent.mkdir(parents=True)
    mine.touch()
    with pytest.raises(FileExistsError, match='move it away, or choose another --out'):
        Trainer(tools, out, 'key', 0, 2, overwrite=True).run(CONFIG, print)
    assert mine.exists()


@pytest.mark.parametrize('content', ['{"epoch": 3}', '[]', 'no JSON'])
def test_foreign_state_is_left_alone(tools: Path, out: Path, content: str) -> None:
    """A demo_state.json of somebody else does not make a work_dir the demo's."""
    mine = out / 'work_dirs' / 'arm' / 'mine.pth'
    mine.parent.mkdir(parents=True)
    mine.touch()
    mine.with_name(STATE).write_text(content)
    with pytest.raises(FileExistsError, match=f'its {STATE} is not one that the demo wrote'):
        Trainer(tools, out, 'key', 0, 2).run(CONFIG, print)
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
