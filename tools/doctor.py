#!/usr/bin/env python
"""Show what is installed, whether it really works, and how to mend what does not.

Needs the standard library only. Every check runs in a process of its own, so that not even a crash
of a broken library hides the other results. The exit code is 1 if there is a fault.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import itertools
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = os.path.relpath(sys.executable) if ROOT in Path(sys.executable).parents else sys.executable
PIP = f'{PYTHON} -m pip'
TIMEOUT_SECONDS = 180
FLAVOURS = {
    'opencv': ('opencv-python', 'opencv-python-headless', 'opencv-contrib-python'),
    'onnxruntime': ('onnxruntime', 'onnxruntime-gpu', 'onnxruntime-openvino'),
}
SETUP = 'make setup'
INSTALL = f'{PIP} install -c constraints.txt'
INSTALL_THIS = f'{PIP} install --no-build-isolation --no-deps -e .'
INSTALL_MIM = f'{INSTALL} --no-deps openmim colorama tabulate pandas'
BF16_FLAGS = ('amx_bf16', 'avx512_bf16')
BUILD_MMCV = (
    f'MMCV_WITH_OPS=1 {PIP} install --force-reinstall --no-deps --no-build-isolation '
    '--no-cache-dir --no-binary mmcv mmcv==2.1.0'
)


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes:
        name: What the table calls it.
        code: Python that fails if the component does not work; what it prints last is shown.
        remedy: The command that installs or mends it.
        module: The module without which the component counts as not installed.
        needed_by: Modules of which any makes it a fault that this one is not installed. `None`: it
            is always a fault.
        flavours: Distributions that write the same files; two of them are a fault.
        remedies: Other remedies for errors that a pattern fits.
    """

    name: str
    code: str
    remedy: str = SETUP
    module: str = ''
    needed_by: tuple[str, ...] | None = None
    flavours: tuple[str, ...] = ()
    remedies: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """Outcome of a check; `state` is one of `ok`, `FAULT` and `absent` (but not needed)."""

    name: str
    detail: str
    state: str
    remedy: str = ''


TORCH = """
import torch
gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'
assert float(torch.ones(3).sum()) == 3
print(f'{torch.__version__} ({gpu})')
"""
NMS = """
import torch, {package}
from {package}.ops import nms
boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 8.0], [20.0, 20.0, 29.0, 29.0]])
kept = nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5)
kept = kept[1] if isinstance(kept, tuple) else kept
assert kept.tolist() == [0, 2], f'nms keeps {{kept.tolist()}} instead of [0, 2]'
print({package}.__version__ + ' (nms runs)')
"""
COCO = """
import numpy
from pycocotools import mask
assert mask.area(mask.encode(numpy.ones((2, 3), numpy.uint8, order='F'))) == 6
import importlib.metadata; print(importlib.metadata.version('pycocotools'))
"""
OPENCV = """
import cv2, numpy
image = numpy.full((8, 8, 3), 128, numpy.uint8)
assert cv2.imdecode(cv2.imencode('.png', image)[1], cv2.IMREAD_COLOR).shape == image.shape
print(cv2.__version__)
"""
ONNX_RUNTIME = """
import importlib.metadata
import numpy, onnx, onnxruntime
from onnx import TensorProto, helper
values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in 'xy']
graph = helper.make_graph([helper.make_node('Neg', ['x'], ['y'])], 'g', values[:1], values[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
names = {dist.name for dist in importlib.metadata.distributions()}
wanted = 'CUDAExecutionProvider' if 'onnxruntime-gpu' in names else 'CPUExecutionProvider'
if wanted.startswith('CUDA'):
    import torch  # brings the CUDA libraries
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=[wanted])
assert session.get_providers()[0] == wanted, f'no session on {wanted}'
assert session.run(None, {'x': numpy.ones(2, numpy.float32)})[0].tolist() == [-1, -1]
providers = ', '.join(p.removesuffix('ExecutionProvider') for p in session.get_providers())
print(f'{onnxruntime.__version__} (runs on {providers})')
"""
REMBG = """
import importlib.metadata
from rembg import new_session
print(importlib.metadata.version('rembg'))
"""
# A network of one layer, and what the CPU offers.
OPENVINO = """
import numpy, openvino
from openvino import opset13 as layers
x = layers.parameter([2], numpy.float32)
core = openvino.Core()
compiled = core.compile_model(openvino.Model([layers.negative(x)], [x]), 'CPU')
assert compiled(numpy.ones(2, numpy.float32))[0].tolist() == [-1, -1]
kinds = core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
known = ', '.join(kind.lower() for kind in ('FP32', 'BF16', 'INT8') if kind in kinds)
print(f'{openvino.__version__.partition("-")[0]} (runs; {known})')
"""
# With this package imported first, as configs and tools do: see bgremoval_mm/compat.py.
MMPRETRAIN = """
import contextlib
with contextlib.suppress(ModuleNotFoundError):
    import bgremoval_mm
import mmpretrain.models
print(mmpretrain.__version__)
"""
TRANSFORMERS = """
import importlib.metadata, importlib.util
said = importlib.metadata.version('transformers')
if importlib.util.find_spec('mmpretrain'):
    from bgremoval_mm.compat import mmpretrain_can_use_transformers
    if not mmpretrain_can_use_transformers():
        said += ' (mmpretrain cannot use it and goes without: no multimodal models)'
print(said)
"""
VERSION = 'import importlib.metadata, {module}; print(importlib.metadata.version("{name}"))'
REGISTERED = """
import bgremoval_mm
from mmengine.registry import DATASETS, HOOKS, TRANSFORMS
for registry, name in [(TRANSFORMS, 'RemoveBackground'), (DATASETS, 'RembgDataset'),
                       (DATASETS, 'RembgConcatDataset'), (HOOKS, 'DiffMetricsHook')]:
    assert registry.get(name), f'{name} is not registered'
print(f'{bgremoval_mm.__version__} (registered)')
"""
MIM = """
from pathlib import Path
from mmengine.utils import get_installed_path
mim = Path(get_installed_path('bgremoval_mm'), '.mim')
for part in ('configs', 'tools/train.py', 'tools/test.py', 'model-index.yml'):
    assert (mim / part).exists(), f'{mim / part} is missing'
print(f'{sum(1 for _ in mim.glob("configs/**/*.py"))} files of configs')
"""
WEIGHTS = """
import numpy
from bgremoval_mm.removal import BackgroundRemover, find_weights
path = find_weights('{model}')
assert path, 'the model file is nowhere to be found'
mask, = BackgroundRemover('{model}', device='cpu')([numpy.zeros((32, 48, 3), numpy.uint8)])
assert mask.shape == (32, 48)
print(f'{{path}} (verified, runs)')
"""

CHECKS = (
    Check(
        'setuptools',
        'import setuptools, pkg_resources; print(setuptools.__version__)',
        f'{INSTALL} setuptools',
    ),
    Check('torch', TORCH, module='torch'),
    Check('torchvision', NMS.format(package='torchvision'), module='torchvision'),
    Check('mmengine', 'import mmengine.runner; print(mmengine.__version__)', module='mmengine'),
    Check('mmcv', NMS.format(package='mmcv'), BUILD_MMCV, 'mmcv', ('mmpretrain', 'mmdet', 'mmseg')),
    *(
        Check(
            module,
            MMPRETRAIN
            if extra == 'cls'
            else f'import {module}.models; print({module}.__version__)',
            f'{INSTALL} -e ".[{extra}]"',
            module,
            needed_by=(),
            remedies={
                r'crashes|undefined symbol|mmcv\._ext': BUILD_MMCV,
                'NoneType takes no arguments': f'{PIP} install "transformers>=4.28,<4.52"',
            },
        )
        for module, extra in (('mmpretrain', 'cls'), ('mmdet', 'det'), ('mmseg', 'seg'))
    ),
    Check(
        'transformers',
        TRANSFORMERS,
        f'{PIP} install "transformers>=4.28,<4.52"',
        'transformers',
        needed_by=(),
    ),
    Check('pycocotools', COCO, f'{INSTALL} pycocotools', 'pycocotools', ('mmdet',)),
    Check(
        'opencv',
        OPENCV,
        f'{INSTALL} --force-reinstall --no-deps opencv-python',
        'cv2',
        flavours=FLAVOURS['opencv'],
        remedies={r'lib(GL|gthread|glib)\S*\.so': 'sudo apt-get install libgl1 libglib2.0-0'},
    ),
    Check(
        'onnxruntime',
        ONNX_RUNTIME,
        f'{INSTALL} -e ".[cpu]"',
        'onnxruntime',
        flavours=FLAVOURS['onnxruntime'],
        remedies={'CUDAExecutionProvider': 'make setup ORT=cpu  (or mend the GPU driver)'},
    ),
    Check('onnx', 'import onnx; print(onnx.__version__)', f'{INSTALL} onnx', 'onnx'),
    Check('openvino', OPENVINO, f'{INSTALL} -e ".[openvino]"', 'openvino', needed_by=()),
    *(
        Check(name, VERSION.format(module=module, name=name), remedy, module, needed_by=())
        for name, module, remedy in (
            ('nncf', 'nncf', f'{INSTALL} -e ".[openvino]"'),
            ('pi-heif', 'pi_heif', f'{INSTALL} -e ".[formats]"'),
            ('ray', 'ray', f'{INSTALL} -e ".[ray]"'),
            ('openmim', 'mim', INSTALL_MIM),
        )
    ),
    Check('rembg', REMBG, f'{INSTALL} -e ".[rembg]"', 'rembg', needed_by=()),
    Check('bgremoval_mm', REGISTERED, INSTALL_THIS, 'bgremoval_mm'),
    Check('.mim', MIM, INSTALL_THIS, 'bgremoval_mm'),
    *(
        Check(
            f'model {model}',
            WEIGHTS.format(model=model),
            f'{PYTHON} tools/download_weights.py {model}',
            'bgremoval_mm',
        )
        for model in ('u2netp', 'u2net')
    ),
)


def is_installed(module: str) -> bool:
    """Whether a top-level module can be found, without importing it."""
    return importlib.util.find_spec(module) is not None


def examine(check: Check) -> Result:
    """Runs one check in a process of its own."""
    if check.module and not is_installed(check.module):
        needed_by = check.needed_by
        if needed_by is not None and not any(map(is_installed, needed_by)):
            return Result(check.name, 'not installed', 'absent', check.remedy)
        return Result(check.name, 'not installed', 'FAULT', check.remedy)
    names = {dist.name.lower() for dist in importlib.metadata.distributions()}
    rivals = [name for name in check.flavours if name in names]
    if len(rivals) > 1:
        keep = rivals[0] if check.name == 'opencv' else 'onnxruntime'
        remedy = f'{PIP} uninstall -y {" ".join(rivals)} && {INSTALL} --no-deps {keep}'
        detail = f'{" and ".join(rivals)} overwrite each other'
        return Result(check.name, detail, 'FAULT', remedy)
    # -P: the current folder must not make up for a package that is not installed.
    command = [sys.executable, '-P', '-W', 'ignore', '-c', check.code]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Result(check.name, f'no answer in {TIMEOUT_SECONDS} s', 'FAULT', check.remedy)
    said = [line.strip() for line in ended.stdout.splitlines() if line.strip()]
    if ended.returncode == 0 and said:
        return Result(check.name, said[-1], 'ok')
    if ended.returncode < 0:
        detail = f'crashes ({signal.Signals(-ended.returncode).name})'
    else:
        errors = [line.strip() for line in ended.stderr.splitlines() if line.strip()]
        detail = errors[-1] if errors else f'ends with code {ended.returncode}'
    fitting = (cure for pattern, cure in check.remedies.items() if re.search(pattern, detail))
    return Result(check.name, detail, 'FAULT', next(fitting, check.remedy))


def examine_python() -> Result:
    """The interpreter that runs this."""
    detail = f'{sys.version.split()[0]} ({sys.executable})'
    if sys.hexversion < 0x030B0000:
        return Result('Python', detail, 'FAULT', 'make setup PYTHON=/path/to/python3.11')
    return Result('Python', detail, 'ok')


def examine_cpu(cpuinfo: Path = Path('/proc/cpuinfo')) -> Result:
    """The processor, and whether it computes in bf16, which OpenVINO uses."""
    try:
        text = cpuinfo.read_text(encoding='utf-8', errors='replace')
    except OSError:
        return Result('CPU', 'unknown: this system has no /proc/cpuinfo', 'ok')
    lines = dict(re.findall(r'^(model name|flags)[ \t]*:[ \t]*(.*)$', text, re.MULTILINE))
    flags = set(lines.get('flags', '').split())
    found = [flag for flag in BF16_FLAGS if flag in flags]
    bf16 = f'bf16 by {" and ".join(found)}' if found else 'no bf16'
    detail = f'{lines.get("model name", "unknown")}, {len(os.sched_getaffinity(0))} cores, {bf16}'
    return Result('CPU', detail, 'ok')


def row(result: Result, width: int) -> str:
    """A line of the table, and a second one with the remedy if there is one."""
    # An error may name a file, and a file name may hold anything, terminal escapes among others.
    detail = ''.join(c if c.isprintable() else ascii(c)[1:-1] for c in result.detail)
    detail = detail if len(detail) <= 100 else f'{detail[:97]}...'
    lines = [f'{result.name:{width}}  {result.state:6}  {detail}']
    if result.remedy:
        when = 'to mend it: ' if result.state == 'FAULT' else 'if wanted: '
        lines.append(f'{"":{width + 10}}{when}{result.remedy}')
    return '\n'.join(lines)


def make_parser() -> argparse.ArgumentParser:
    """The command line, which has no options but ``--help``."""
    return argparse.ArgumentParser(
        description='Show what is installed, whether it really works, and how to mend what does '
        'not. Takes about a minute. The exit code is 1 if there is a fault.'
    )


def main(checks: Sequence[Check] = CHECKS) -> int:
    """Runs all checks and prints the table as they end; 1 if there is a fault."""
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    width = max(len(check.name) for check in checks)
    faults = 0
    here = [examine_python(), examine_cpu()]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for result in itertools.chain(here, pool.map(examine, checks)):
            print(row(result, width), flush=True)
            faults += result.state == 'FAULT'
    print(f'\n{faults} fault(s).' if faults else '\nEverything that is installed works.')
    if faults and ROOT / '.venv' not in Path(sys.executable).parents:
        print('This Python is not the one of `make setup`: try `.venv/bin/python tools/doctor.py`.')
    return 1 if faults else 0


if __name__ == '__main__':
    make_parser().parse_args()
    sys.exit(main())
