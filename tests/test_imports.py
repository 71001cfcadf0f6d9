"""What importing the package loads, what it registers and when, and who may import whom."""

from __future__ import annotations

import ast
import importlib
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.registry import DATASETS, HOOKS, METRICS, TRANSFORMS, DefaultScope

import bgremoval_mm
from bgremoval_mm.registry import (
    CLASSES,
    MissingCodebaseError,
    RegisteredClass,
    _Placeholder,
    lazy_register,
    load_class,
)

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'bgremoval_mm'
OPENMMLAB = ('mmengine', 'mmcv', 'mmpretrain', 'mmdet', 'mmseg')
HEAVY = (*OPENMMLAB, 'torch', 'numpy', 'PIL', 'cv2', 'onnxruntime', 'openvino', 'tqdm')

BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {blocked!r}:
            raise ImportError(f'{{name}} is blocked')
sys.meta_path.insert(0, Block())
"""


def python(code: str, folder: Path | None = None, *arguments: str) -> str:
    """What a fresh interpreter prints, which must end well."""
    environment = {**os.environ, 'PYTHONPATH': f'{folder or ROOT}{os.pathsep}{ROOT}'}
    environment |= {'OMP_NUM_THREADS': '1', 'PYTHONWARNINGS': 'ignore'}
    environment.pop('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', None)
    done = subprocess.run(
        [sys.executable, '-c', code, *arguments],
        cwd=folder or ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


LOADED = "import sys; print(*sorted({heavy!r} & {{name.partition('.')[0] for name in sys.modules}}))"


@pytest.mark.parametrize('module', ['bgremoval_mm', 'bgremoval_mm.removal', 'bgremoval_mm.registry'])
def test_nothing_heavy_is_imported(module: str) -> None:
    """These imports load Python's own modules only."""
    assert python(f'import {module}; {LOADED.format(heavy=set(HEAVY))}') == ''


@pytest.mark.parametrize('package', ['datasets', 'hooks', 'metrics', 'reports'])
def test_nothing_heavy_is_imported_by_subpackages(package: str) -> None:
    """Nor do the packages of the plugin before one of their names is used."""
    assert python(f'import bgremoval_mm.{package}; {LOADED.format(heavy=set(HEAVY))}') == ''


def test_engine_loads_no_framework() -> None:
    """A remover brings numpy and Pillow, but neither torch nor anything of OpenMMLab."""
    code = 'from bgremoval_mm.removal import BackgroundRemover, remove_tree\n'
    heavy = {'torch', *OPENMMLAB}
    assert python(code + LOADED.format(heavy=heavy)) == ''


REMOVAL = """
import numpy as np
from types import SimpleNamespace
import sys
class Session:
    def __init__(self, *_args, **_kwargs): pass
    def get_providers(self): return ['CPUExecutionProvider']
    def get_inputs(self): return [SimpleNamespace(name='x', shape=['n', 3, 320, 320])]
    def get_outputs(self): return [SimpleNamespace(name='y', shape=['n', 1, 320, 320])]
    def run(self, _outputs, feeds):
        (batch,) = feeds.values()
        mask = np.zeros((len(batch), 1, 320, 320), np.float32)
        mask[..., :160] = 1
        return [mask]
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.backends import onnx_runtime
remover = BackgroundRemover('u2netp', 'onnxruntime', 'cpu')
for name in dir(type(remover.backend)):
    pass
type(remover.backend).session = property(lambda self: Session())
mask, = remover([np.zeros((8, 16, 3), np.uint8)])
print(mask.shape, int(mask[0, 0]), int(mask[0, -1]))
"""
