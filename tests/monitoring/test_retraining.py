"""Retraining: which pairs are trained on, who goes live, and going on after a kill."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.analysis.model_comparison.compare import ModelComparison
from bgremoval_mm.analysis.model_comparison.pairs import PairFiles
from bgremoval_mm.cli.main import main
from bgremoval_mm.evaluation.saliency import ImageScores
from bgremoval_mm.monitoring import retraining
from bgremoval_mm.monitoring.corrections import corrections, is_held_back
from bgremoval_mm.monitoring.retraining import judge, retrain
from bgremoval_mm.monitoring.training import Settings, TrainingError, find_config
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.live import live_model, put_live
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Gate, Route, Routes
from bgremoval_mm.pipeline.sources import receive_bytes
from bgremoval_mm.pipeline.verdicts import accept
from bgremoval_mm.pipeline.worker import Worker
from bgremoval_mm.removal import BackgroundRemover, get_model
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.options import EngineOptions
from bgremoval_mm.removal.pairs.check import check_pairs
from bgremoval_mm.removal.pairs.manifest import read_manifest, write_manifest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = EngineOptions(backend='onnxruntime', device='cpu', num_threads=1)
SIDE = 36


def picture(number: int) -> tuple[bytes, bytes]:
    """A photo of a bright square on black, and its mask."""
    rng = np.random.default_rng(number)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    top, left = rng.integers(3, 15, 2)
    mask[top : top + 16, left : left + 14] = 255
    pixels = np.where(mask[..., None] > 0, rng.integers(150, 255, 3), 0).astype(np.uint8)
    encoded = []
    for content in (pixels, mask):
        buffer = io.BytesIO()
        Image.fromarray(content).save(buffer, 'PNG')
        encoded.append(buffer.getvalue())
    return encoded[0], encoded[1]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A training set of 12 pairs, of which four validate."""
    for number in range(100, 112):
        for kind, content in zip(('photos', 'masks'), picture(number), strict=True):
            (tmp_path / 'base' / kind).mkdir(parents=True, exist_ok=True)
            (tmp_path / 'base' / kind / f'{number}.png').write_bytes(content)
    manifest = tmp_path / 'base' / 'manifest.csv'
    folders = tmp_path / 'base' / 'photos', tmp_path / 'base' / 'masks'
    report = check_pairs(*folders, manifest, val_share=0.34, workers=1)
    write_manifest(manifest, report.pairs)
    assert sum(pair.split == 'val' for pair in report.pairs) == 4
    return manifest


@pytest.fixture
def correct(root: Path, queue: UploadQueue, tmp_path: Path) -> Callable[..., None]:
    """A function that uploads photos, and corrects each one's mask."""
    tiny = tmp_path / 'inverted.onnx'

    def correct(named: dict[str, int], model: Path) -> None:
        tiny.write_bytes(model.read_bytes())
        files = PipelineFiles(root)
        routes = Routes((Route('shoes', model=str(tiny), gate=Gate(suspicion=0)),))
        remover = BackgroundRemover(tiny, backend='onnxruntime', device='cpu', num_threads=1)
        worker = Worker(queue, files, routes, lambda _: remover)
        for name, number in named.items():
            photo, mask = picture(number)
            receive_bytes(queue, files, name, photo, 'tests')
            worker.run(until_done=True)
            (tmp_path / 'mask.png').write_bytes(mask)
            accept(queue, files, routes, name, tmp_path / 'mask.png')

    return correct


@pytest.fixture
def make_models(
    monkeypatch: pytest.MonkeyPatch, model_file: Callable[..., Path]
) -> Callable[..., Path]:
    """A function that stands in for the training: the new network is the given file."""

    def make(scale: float) -> Path:
        new = model_file(scale=scale)

        def export(root: Path, *_: object) -> Path:
            kept = root / 'models' / 'retrained-001.onnx'
            kept.parent.mkdir(exist_ok=True)
            kept.write_bytes(new.read_bytes())
            return kept

        monkeypatch.setattr(retraining, 'train', lambda *_: Path('unused'))
        monkeypatch.setattr(retraining, '_export', export)
        return new

    return make


def settings(base: Path, **changes: object) -> Settings:
    """Those of a small retraining."""
    values = {'manifest': str(base), 'config': 'unused.py', 'share': 0.4, **changes}
    return Settings(**values)  # type: ignore[arg-type]


def test_photos_are_trained_on_or_held_back(
    root: Path,
    queue: UploadQueue,
    base: Path,
    correct: Callable[..., None],
    make_models: Callable[..., Path],
    model_file: Callable[..., Path],
) -> None:
    """Never both, by their hash; the training set's own split and all versions count, too."""
    own = {pair.image.rpartition('/')[2]: pair.split for pair in read_manifest(base)}
    validating = next(int(name[:3]) for name, split in own.items() if split == 'val')
    training = next(int(name[:3]) for name, split in own.items() if split == 'train')
    bad = model_file(scale=-1.0)
    # Further versions of a.png, of which some are held back by their hash, and some are not.
    correct({f'{n}.png': n for n in range(30)}, bad)
    for number in range(40, 46):
        correct({'a.png': number}, bad)
    correct({'val.png': validating, 'train.png': training}, bad)
    make_models(1.0)
    outcome = retrain(root, queue, settings(base), ENGINE, workers=1, say=lambda _: None)
    assert outcome.folder is not None
    pairs = read_manifest(outcome.folder / 'manifest.csv')
    held = read_manifest(outcome.folder / 'held-back' / 'manifest.csv')
    split = {pair.image_sha256: pair.split for pair in pairs}
    assert len(split) == len(pairs)
    assert {pair.image_sha256 for pair in held} == {h for h, s in split.items() if s == 'val'}
    for pair in (*pairs, *held):
        folder = outcome.folder / ('held-back' if pair in held else '')
        assert (folder / pair.image).is_file()
        assert (folder / pair.mask).is_file()
    found = {each.name: each for each in corrections(queue.engine)}
    for number in range(30):
        sha256 = found[f'{number}.png'].sha256
        assert split[sha256] == ('val' if is_held_back(sha256, 0.4) else 'train')
    assert 5 < sum(split[found[f'{n}.png'].sha256] == 'val' for n in range(30)) < 20
    assert split[found['val.png'].sha256] == 'val'
    assert split[found['train.png'].sha256] == 'train'
    versions = [e.sha256 for e in corrections(queue.engine) if e.name == 'a.png']
    assert {is_held_back(each, 0.4) for each in versions} == {True, False}
    assert {split.get(each) for each in versions} == {'val', None}


def test_files_that_are_missing(
    root: Path,
    queue: UploadQueue,
    base: Path,
    correct: Callable[..., None],
    make_models: Callable[..., Path],
    model_file: Callable[..., Path],
) -> None:
    """A correction whose photo or mask is gone is named and left out; the others are used."""
    correct({f'{n}.png': n for n in range(24)}, model_file(scale=-1.0))
    make_models(1.0)
    found = {each.name: each.sha256 for each in corrections(queue.engine)}
    photo, mask = found['0.png'], found['1.png']
    (root / 'photos' / photo[:2] / photo).unlink()
    (root / 'masks' / 'people' / mask[:2] / f'{mask}.png').unlink()
    said: list[str] = []
    outcome = retrain(root, queue, settings(base), ENGINE, workers=1, say=said.append)
    assert outcome.folder is not None
    used = {pair.image_sha256 for pair in read_manifest(outcome.folder / 'manifest.csv')}
    assert set(found.values()) - used == {photo, mask}
    named = [line for line in said if line.startswith('left out: ')]
    assert named == [f'left out: {n}.png: No such file or directory' for n in (0, 1)]


def test_soft_corrections(
    root: Path,
    queue: UploadQueue,
    base: Path,
    correct: Callable[..., None],
    make_models: Callable[..., Path],
    model_file: Callable[..., Path],
) -> None:
    """What a person left grey is made hard at one half, as `bgremoval pipeline pairs` makes it."""
    correct({f'{n}.png': n for n in range(24)}, model_file(scale=-1.0))
    make_models(1.0)
    found = {each.name: each.sha256 for each in corrections(queue.engine)}
    files = PipelineFiles(root)
    levels = files.mask(found['0.png'], 'people')
    soft = np.where(levels == 0, np.uint8(100), np.uint8(200))
    files.keep_mask(found['0.png'], 'people', soft)
    said: list[str] = []
    outcome = retrain(root, queue, settings(base), ENGINE, workers=1, say=said.append)
    assert not [line for line in said if line.startswith('left out: ')]
    assert outcome.folder is not None
    pairs = read_manifest(outcome.folder / 'manifest.csv')
    pair = next(each for each in pairs if each.image_sha256 == found['0.png'])
    with Image.open(outcome.folder / pair.mask) as mask:
        assert (np.asarray(mask) == levels).all()
    assert (files.mask(found['0.png'], 'people') == soft).all()


@pytest.mark.parametrize(('live', 'new', 'goes'), [(-1.0, 1.0, True), (1.0, -1.0, False)])
def test_the_better_one_is_live(
    live: float,
    new: float,
    goes: bool,
    root: Path,
    queue: UploadQueue,
    base: Path,
    correct: Callable[..., None],
    make_models: Callable[..., Path],
    model_file: Callable[..., Path],
) -> None:
    """A network whose masks are right takes the place of one whose masks are inverted only."""
    first = model_file(scale=live)
    correct({f'{n}.png': n for n in range(25)}, first)
    put_live(root, str(first), 'test')
    make_models(new)
    outcome = retrain(root, queue, settings(base), ENGINE, workers=1, say=lambda _: None)
    assert outcome.live is goes
    assert ('better' if goes else 'worse') in outcome.reason
    expected = 'retrained-001.onnx' if goes else first.name
    assert Path(live_model(root)).name == expected
    assert outcome.folder is not None
    result = json.loads((outcome.folder / 'result.json').read_text())
    assert result['live'] is goes
    assert 'shoes' in result['comparison']['photos']
    assert '| shoes' in (outcome.folder / 'comparison.md').read_text()
    again = retrain(root, queue, settings(base), ENGINE, workers=1, say=lambda _: None)
    assert again.folder is None
    assert again.reason == '0 corrections since the last retraining, fewer than 20'


def compared(*gaps: tuple[str, list[float]]) -> ModelComparison:
    """A comparison of two networks whose IoU differ by the gaps, by cluster."""
    pairs, first, second = [], [], []
    for cluster, values in gaps:
        for number, gap in enumerate(values):
            pairs.append(PairFiles(f'{cluster}{number}.png', Path('x'), cluster))
            first.append(ImageScores({'IoU': 0.9}))
            second.append(ImageScores({'IoU': 0.9 + gap}))
    specs = [get_model('u2net'), get_model('u2netp')]
    return ModelComparison(specs, pairs, [first, second], {}, {}, [], Path(), 'fp32')


NOISE = [-0.01, 0.0, 0.01, 0.005, -0.005, 0.0] * 3


@pytest.mark.parametrize(
    ('gaps', 'goes', 'message'),
    [
        ([('a', [0.02 + x for x in NOISE])], True, r'IoU \+0.0200 .*better, and worse in no'),
        ([('a', NOISE)], False, 'on 18 photos: undecided'),
        ([('a', [-0.02 + x for x in NOISE])], False, 'worse'),
        (
            [('a', [0.05 + x for x in NOISE] * 2), ('b', [-0.02 + x for x in NOISE])],
            False,
            'better, but worse in b',
        ),
        ([('a', [0.02] * 4)], False, 'too few photos for an interval.*undecided'),
    ],
)
def test_who_goes_live(gaps: list[tuple[str, list[float]]], goes: bool, message: str) -> None:
    """Better by the interval over all photos, and worse in no cluster; else the reason is said."""
    comparison = compared(*gaps)
    found, reason = judge(comparison, {pair.name for pair in comparison.pairs})
    assert found is goes
    assert re.search(message, reason)


def test_photos_that_failures_have_chosen_are_not_enough() -> None:
    """On photos that the live network failed on, another one is better whatever it is like."""
    gaps = ('a', [0.06 + x for x in NOISE]), ('own', [-0.001 + x for x in NOISE])
    comparison = compared(*gaps)
    own = {pair.name for pair in comparison.pairs if pair.cluster == 'own'}
    found, reason = judge(comparison, own)
    assert not found
    assert '-0.0010 on the 18 of the training set alone: better only on photos' in reason
    found, reason = judge(comparison, set())
    assert not found
    assert 'all of them were chosen by failures' in reason


def test_a_training_that_fails(
    root: Path,
    queue: UploadQueue,
    base: Path,
    correct: Callable[..., None],
    model_file: Callable[..., Path],
) -> None:
    """The message has the end of its log; it goes on with the same settings only."""
    correct({f'{n}.png': n for n in range(20)}, model_file(scale=-1.0))
    said: list[str] = []
    with pytest.raises(TrainingError, match=r'exit code 1[\s\S]*gone\.py'):
        retrain(root, queue, settings(base, config='/gone.py'), ENGINE, workers=1, say=said.append)
    assert any('pairs to train on' in line for line in said)
    with pytest.raises(ArgumentError, match=r"begun with config = '/gone.py', not '/other.py'"):
        retrain(root, queue, settings(base, config='/other.py'), ENGINE, workers=1)
    with pytest.raises(TrainingError):
        retrain(root, queue, settings(base, config='/gone.py'), ENGINE, workers=1, say=said.append)
    assert 'Going on with' in said[-2]
    assert [path.name for path in (root / 'retrain').iterdir() if path.is_dir()] == ['001']


SMALL = """
_base_ = '{base}'
custom_imports = dict(imports=['bgremoval_mm', 'bgremoval_mm.pretrained', 'killed'],
                      allow_failed_imports=False)
model = dict(pretrained=None)
train_cfg = dict(max_iters=4)
default_hooks = dict(checkpoint=dict(interval=1))
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadSaliencyMask'),
            dict(type='Resize', scale=(36, 36)), dict(type='ScaleToFullRange'),
            dict(type='PackSegInputs')]
train_dataloader = dict(batch_size=4, num_workers=0, persistent_workers=False,
                        dataset=dict(pipeline=pipeline))
custom_hooks = [dict(type='WaitsAtTwo')]
"""
WAITS = """
import time
from pathlib import Path
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module(force=True)
class WaitsAtTwo(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        wait = Path({folder!r}, 'wait')
        if runner.iter == 2 and wait.exists():
            Path({folder!r}, 'waiting').touch()
            time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_in_the_training(
    root: Path,
    queue: UploadQueue,
    base: Path,
    correct: Callable[..., None],
    model_file: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A real training that is killed goes on after its last checkpoint, and ends with a verdict."""
    pytest.importorskip('mmseg')
    correct({f'{n}.png': n for n in range(20)}, model_file(scale=-1.0))
    put_live(root, str(model_file()), 'test')
    (tmp_path / 'killed.py').write_text(WAITS.format(folder=str(tmp_path)))
    config = tmp_path / 'small.py'
    config.write_text(SMALL.format(base=find_config()))
    (tmp_path / 'wait').touch()
    command = ['retrain', str(root), '--manifest', str(base), '--config', str(config)]
    command += ['--backend', 'onnxruntime', '--workers', '1', '--licence', 'MIT']
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get('PYTHONPATH', '')])
    with subprocess.Popen(
        [sys.executable, '-m', 'bgremoval_mm.cli.main', *command],
        env={**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'},
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        until = time.monotonic() + 300
        while not (tmp_path / 'waiting').exists():
            assert process.poll() is None, process.stdout and process.stdout.read().decode()
            assert time.monotonic() < until
            time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
    (tmp_path / 'wait').unlink()
    monkeypatch.setenv('PYTHONPATH', path)
    # A process that was killed has its lock until the system has taken it apart.
    until = time.monotonic() + 60
    while (code := main(command)) == 1:
        assert 'another process is retraining' in capsys.readouterr().err
        assert time.monotonic() < until
        time.sleep(0.5)
    assert code == 0
    said = capsys.readouterr().out
    assert 'Going on with' in said
    assert 'was kept, and is not live' in said
    log = (root / 'retrain' / '001' / 'train.log').read_text()
    assert 'resumed epoch: 0, iter: 2' in log
    card = get_model(root / 'models' / 'retrained-001.onnx')
    assert card.licence == 'MIT'
    assert Path(live_model(root)).name != 'retrained-001.onnx'


def test_one_at_a_time(root: Path) -> None:
    """A training whose parent was killed still keeps others out, until it has ended."""
    with (
        retraining._alone(root),
        pytest.raises(BgremovalError, match='another process is retraining'),
        retraining._alone(root),
    ):
        pass
    with retraining._alone(root) as lock:
        process = subprocess.Popen(['sleep', '600'], pass_fds=[lock])
    try:
        with pytest.raises(BgremovalError), retraining._alone(root):
            pass
    finally:
        process.kill()
        process.wait()
    with retraining._alone(root):
        pass


def test_options(root: Path, base: Path, queue: UploadQueue, capsys) -> None:
    """What does not go together, or is not enough, is said."""
    for options, message in (
        ([], 'give --manifest'),
        (['--manifest', str(base), '--put-back'], '--manifest is for a training'),
    ):
        with pytest.raises(SystemExit):
            main(['retrain', str(root), *options])
        assert message in capsys.readouterr().err
    assert main(['retrain', str(root), '--manifest', str(base), '--held-back', '1']) == 1
    assert '`share` must be between 0 and 1' in capsys.readouterr().err
    assert main(['retrain', str(root), '--manifest', str(base)]) == 0
    assert 'Nothing to do: 0 corrections' in capsys.readouterr().out
