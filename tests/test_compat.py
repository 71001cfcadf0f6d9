"""Checkpoints of stock mmengine on a torch whose ``torch.load`` has an allow-list."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from bgremoval_mm import compat
from bgremoval_mm.compat import _filed_under, allow_mmengine_checkpoints

ROOT = Path(__file__).resolve().parents[1]

needs_allow_list = pytest.mark.skipif(
    tuple(int(part) for part in torch.__version__.split('.')[:2]) < (2, 6),
    reason='needs torch >= 2.6, whose torch.load has an allow-list by default',
)

TOYS = """
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.registry import DATASETS, METRICS, MODELS

@DATASETS.register_module()
class CompatToyDataset(torch.utils.data.Dataset):
    metainfo = dict(classes=('a', 'b'))
    def __len__(self):
        return 4
    def __getitem__(self, index):
        return torch.full((2,), float(index))

@MODELS.register_module()
class CompatToyModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
    def forward(self, *points, mode='tensor'):
        out = self.layer(torch.stack(points))
        return dict(loss=out.square().mean()) if mode == 'loss' else list(out)

@METRICS.register_module()
class CompatToyMetric(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(0)
    def compute_metrics(self, results):
        import numpy as np
        return {'mIoU': np.float32(43.21), 'acc': 1.5}  # mmseg's scores are np.float32
"""

CONFIG = """
custom_imports = dict(imports=[{imports}], allow_failed_imports=False)
model = dict(type='CompatToyModel')
train_dataloader = val_dataloader = test_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(type='CompatToyDataset'),
    sampler=dict(type='DefaultSampler', shuffle=False))
train_cfg = dict(by_epoch=True, max_epochs=1)
val_cfg = test_cfg = dict()
val_evaluator = test_evaluator = dict(type='CompatToyMetric')
optim_wrapper = dict(optimizer=dict(type='Adam', lr=0.01))
param_scheduler = dict(type='MultiStepLR', milestones=[1])
default_hooks = dict(checkpoint=dict(type='CheckpointHook', save_best=['mIoU', 'acc']))
work_dir = 'work'
"""

# What the stock tools do, in a process that has imported nothing of ours.
STOCK = """
import sys
from mmengine.config import Config
from mmengine.runner import Runner
cfg = Config.fromfile('config.py')
if sys.argv[1] == 'test':
    cfg.load_from = 'work/epoch_1.pth'
if sys.argv[1] == 'resume':
    cfg.resume = True
    cfg.train_cfg.max_epochs = 2
runner = Runner.from_cfg(cfg)
metrics = runner.test() if sys.argv[1] == 'test' else runner.train()
print('FINISHED', runner.epoch if sys.argv[1] != 'test' else sorted(metrics))
"""


def stock(folder: Path, task: str, ours: bool) -> subprocess.CompletedProcess[str]:
    """Run stock mmengine in a fresh process, with or without our package in the config."""
    imports = "'compat_toys', 'bgremoval_mm'" if ours else "'compat_toys'"
    (folder / 'config.py').write_text(CONFIG.format(imports=imports))
    environment = {
        **os.environ,
        'PYTHONPATH': f'{folder}{os.pathsep}{ROOT}',
        'OMP_NUM_THREADS': '1',
    }
    environment.pop('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', None)
    return subprocess.run(
        [sys.executable, 'stock.py', task],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@needs_allow_list
@pytest.mark.slow
def test_stock_mmengine_resumes_and_tests(tmp_path: Path) -> None:
    """A fresh process that imports us by ``custom_imports`` loads what it otherwise cannot."""
    (tmp_path / 'compat_toys.py').write_text(TOYS)
    (tmp_path / 'stock.py').write_text(STOCK)
    done = stock(tmp_path, 'train', ours=False)
    assert 'FINISHED 1' in done.stdout, done.stderr
    done = stock(tmp_path, 'test', ours=False)
    assert done.returncode != 0
    assert 'Weights only load failed' in done.stderr
    done = stock(tmp_path, 'test', ours=True)
    assert "FINISHED ['acc', 'mIoU']" in done.stdout, done.stderr
    done = stock(tmp_path, 'resume', ours=True)
    assert 'FINISHED 2' in done.stdout, done.stderr


def test_calling_it_twice_changes_nothing() -> None:
    """The allow-list holds each entry once."""
    allow_mmengine_checkpoints()
    before = set(torch.serialization.get_safe_globals())
    allow_mmengine_checkpoints()
    assert set(torch.serialization.get_safe_globals()) == before


def test_torch_without_allow_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """On an old torch nothing happens, and nothing is needed."""
    monkeypatch.delattr(torch.serialization, 'add_safe_globals')
    allow_mmengine_checkpoints()


@pytest.mark.parametrize('dtype', ['?', 'i4', 'i8', 'u1', 'f2', 'f4', 'f8'])
def test_numpy_of_every_dtype(tmp_path: Path, dtype: str) -> None:
    """Scalars and arrays come back, as they stand in a message hub."""
    allow_mmengine_checkpoints()
    array = np.array([0, 1, 2]).astype(dtype)
    torch.save({'array': array, 'scalar': array[1]}, tmp_path / 'x.pth')
    loaded = torch.load(tmp_path / 'x.pth', weights_only=True)
    np.testing.assert_array_equal(loaded['array'], array)
    assert loaded['array'].dtype == array.dtype
    assert loaded['scalar'] == array[1]


def test_history_buffer_comes_back(tmp_path: Path) -> None:
    """Its values and its statistics work after loading."""
    allow_mmengine_checkpoints()
    torch.save(HistoryBuffer([1.0, 3.0], [1, 1]), tmp_path / 'x.pth')
    loaded = torch.load(tmp_path / 'x.pth', weights_only=True)
    assert loaded.mean() == 2.0
    assert loaded.statistics('max') == 3.0


def test_arrays_of_the_other_numpy(tmp_path: Path) -> None:
    """numpy 1 calls the module ``numpy.core``, numpy 2 ``numpy._core``; both names are known."""
    allow_mmengine_checkpoints()
    torch.save(np.arange(3), tmp_path / 'x.pth')
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):
        known = {f'{each.__module__}.{each.__qualname__}' for each in _functions()}
        assert {f'{module}._reconstruct', f'{module}.scalar'} <= known


def _functions() -> list:
    return [each for each in torch.serialization.get_safe_globals() if callable(each)]


class _Reach:
    """Pickles as ``getattr(owner, name)``, as a forged checkpoint would."""

    def __init__(self, owner: object, name: str) -> None:
        self.call = (owner, name)

    def __reduce__(self) -> tuple:
        return getattr, self.call


@needs_allow_list
@pytest.mark.parametrize(
    ('owner', 'name'),
    [
        (HistoryBuffer, '__init__'),
        (HistoryBuffer, '_statistics_methods'),
        (np.ndarray, 'tofile'),
        (_Reach(HistoryBuffer, 'mean'), '__globals__'),
        ('text', 'format'),
    ],
)
def test_getattr_does_not_reach_further(tmp_path: Path, owner: object, name: str) -> None:
    """A forged file gets at no attribute but the statistics functions."""
    allow_mmengine_checkpoints()
    torch.save(_Reach(owner, name), tmp_path / 'forged.pth')
    with pytest.raises(ValueError, match=f"asks for the attribute '{name}'"):
        torch.load(tmp_path / 'forged.pth', weights_only=True)


def test_filed_under_keeps_the_function() -> None:
    """The stand-in calls the function and carries the name that the allow-list goes by."""
    call = _filed_under('some.module.name', max)
    assert call(1, 2) == 2
    assert (call.__module__, call.__qualname__) == ('some.module', 'name')


LOAD = """
import sys
import torch
assert 'mmengine' in sys.modules or {plain}
if {plain}:
    loaded = torch.load('x.pth')
else:
    from mmengine.runner.checkpoint import CheckpointLoader
    loaded = CheckpointLoader.load_checkpoint('x.pth', 'cpu')
history = loaded['message_hub']['loss']
print(type(history).__module__, history.mean(), history.statistics('max'), loaded['score'])
torch.save(loaded, 'again.pth')
torch.load('again.pth')  # with mmengine there, and the class in its place
"""

ORDERS = {
    'ours first': (False, 'import bgremoval_mm; import mmengine.runner'),
    'mmengine first': (False, 'import mmengine.runner; import bgremoval_mm'),
    'by a config': (False, 'from mmengine.config import Config; Config.fromfile("config.py")'),
    'the user allows it, too': (
        False,
        'import bgremoval_mm, torch; from mmengine.logging import HistoryBuffer; '
        'torch.serialization.add_safe_globals([HistoryBuffer])',
    ),
    'plain torch.load': (True, 'import bgremoval_mm'),
    'plain torch.load, torch first': (True, 'import torch; import bgremoval_mm'),
    'plain torch.load, mmengine first': (True, 'import mmengine, torch; import bgremoval_mm'),
}


@needs_allow_list
@pytest.mark.parametrize('order', ORDERS)
def test_checkpoints_load_whoever_comes_first(tmp_path: Path, order: str) -> None:
    """In each order of imports, by mmengine and by torch alone, a message hub comes back."""
    plain, imports = ORDERS[order]
    history = HistoryBuffer([1.0, 3.0], [1, 1])
    torch.save({'message_hub': {'loss': history}, 'score': np.float32(0.5)}, tmp_path / 'x.pth')
    config = "custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)\n"
    (tmp_path / 'config.py').write_text(config)
    done = python(f'{imports}\n{LOAD.format(plain=plain)}', tmp_path)
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()[-1]
    assert said == 'mmengine.logging.history_buffer 2.0 3.0 0.5'


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process in a folder, whose modules it can import."""
    environment = {
        **os.environ,
        'PYTHONPATH': f'{folder}{os.pathsep}{ROOT}',
        'OMP_NUM_THREADS': '1',
    }
    environment.pop('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', None)
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_nothing_is_allowed_without_mmengine(tmp_path: Path) -> None:
    """Where mmengine is not installed, the user's allow-list stays as it was."""
    code = (
        'import sys; sys.modules["mmengine"] = None\n'
        'import torch; before = torch.serialization.get_safe_globals()\n'
        'import bgremoval_mm; print(torch.serialization.get_safe_globals() == before)'
    )
    assert python(code, tmp_path).stdout.strip() == 'True'


def fake_transformers(folder: Path, version: str, code: str, models: str) -> None:
    """A distribution transformers of that version, whose ``modeling_utils`` holds ``models``."""
    package = folder / 'transformers'
    for part in ('', 'models', 'models/auto'):
        (package / part).mkdir()
        (package / part / '__init__.py').write_text(code)
    (package / '__init__.py').write_text(code or NAMES_OF_THE_PACKAGE)
    (package / 'models' / 'auto' / 'auto_factory.py').write_text('class _BaseAutoModelClass: ...')
    (package / 'modeling_utils.py').write_text(models)
    info = folder / f'transformers-{version}.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(
        f'Metadata-Version: 2.1\nName: transformers\nVersion: {version}\n'
    )


NAMES_OF_THE_PACKAGE = """
class PreTrainedModel: pass
class AutoConfig: from_pretrained = None
class AutoModelForCausalLM(PreTrainedModel): config_class = AutoConfig
for kind in ('Auto', 'Bart', 'Basic', 'Bert', 'Llama', 'Wordpiece'):
    globals()[f'{kind}Tokenizer'] = type(f'{kind}Tokenizer', (), {})
class BertTokenizerFast: pass
"""
NAMES = 'class GenerationMixin: pass\nclass PreTrainedModel: pass\n'
UNUSABLE = {
    'version 5': ('5.0.0', '', NAMES),
    'version 5, a candidate': ('5.0.0rc1', '', NAMES),
    'of the last of 4': ('4.57.6', '', 'class PreTrainedModel: pass\n'),
    'broken': ('4.40.0', 'raise ImportError("tokenizers is too old")', ''),
}


@pytest.mark.slow
@pytest.mark.parametrize('kind', UNUSABLE)
def test_mmpretrain_beside_a_transformers_that_it_cannot_use(tmp_path: Path, kind: str) -> None:
    """mmpretrain imports and builds; its multimodal models say what they need."""
    fake_transformers(tmp_path, *UNUSABLE[kind])
    code = (
        'import bgremoval_mm, mmpretrain.models, mmpretrain.datasets, mmpretrain.apis\n'
        'from mmpretrain.registry import MODELS\n'
        'print(type(MODELS.build(dict(type="VGG", depth=11))).__name__)\n'
        'try: MODELS.build(dict(type="BlipCaption"))\n'
        'except ImportError as err: print(err)\n'
    )
    if kind != 'broken':
        code += 'import transformers.modeling_utils as m; print(m.PreTrainedModel.__name__)\n'
    done = python(code, tmp_path)
    lines = done.stdout.splitlines()
    assert lines[0] == 'VGG', done.stderr
    assert 'requires extra multi-modal dependencies' in lines[1]  # mmpretrain names a wrong model
    assert lines[2:] == ([] if kind == 'broken' else ['PreTrainedModel'])


@pytest.mark.slow
def test_mmpretrain_alone_fails_beside_transformers_5(tmp_path: Path) -> None:
    """Without us the import fails: the day that this test does, the workaround can go."""
    fake_transformers(tmp_path, '5.0.0', '', NAMES)
    done = python('import mmpretrain.models', tmp_path)
    assert 'TypeError: NoneType takes no arguments' in done.stderr


@pytest.mark.parametrize(
    ('version', 'models', 'usable'),
    [
        ('4.28.0', f'{NAMES}apply_chunking_to_forward = len\n', True),
        ('4.40.2', f'{NAMES}apply_chunking_to_forward = len\n', True),
        ('4.52.0', 'PreTrainedModel = object\napply_chunking_to_forward = len\n', False),
        ('5.1.0', f'{NAMES}apply_chunking_to_forward = len\n', False),
    ],
)
def test_which_transformers_mmpretrain_can_use(
    tmp_path: Path, version: str, models: str, usable: bool
) -> None:
    """It is one that has what the multimodal models derive from, and not the changed version 5."""
    fake_transformers(tmp_path, version, '', models)
    code = 'from bgremoval_mm.compat import mmpretrain_can_use_transformers as f; print(f())'
    assert python(code, tmp_path).stdout.strip() == str(usable)


def test_usable_transformers_stays_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch is turned off, never on, and only for a transformers that cannot be used."""
    dependency = importlib.import_module('mmpretrain.utils.dependency')
    for switch, usable, expected in [
        (True, True, True),
        (True, False, False),
        (False, True, False),
        (False, False, False),
    ]:
        monkeypatch.setattr(dependency, 'WITH_MULTIMODAL', switch)
        monkeypatch.setattr(compat, 'mmpretrain_can_use_transformers', lambda answer=usable: answer)
        compat.keep_compatible()
        assert dependency.WITH_MULTIMODAL is expected
