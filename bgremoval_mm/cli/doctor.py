"""Check the installed stack and print a fix for everything that is broken.

Every check runs in a process of its own: even a crash of a broken library hides no other result.
"""

from __future__ import annotations

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

from bgremoval_mm.utils.cpu import computes_in_bf16, has_amx
from bgremoval_mm.utils.text import printable

__all__ = ['CHECKS', 'Check', 'Result', 'examine', 'run_doctor']

TIMEOUT_SECONDS = 600  # the first import of rembg compiles for minutes
_HERE = Path.cwd() in Path(sys.executable).parents
PIP = f'{os.path.relpath(sys.executable) if _HERE else sys.executable} -m pip'
INSTALL = f'{PIP} install -c constraints.txt'
INSTALL_THIS = f'{PIP} install --no-build-isolation --no-deps -e .'
INSTALL_TRANSFORMERS = f'{PIP} install "transformers>=4.28,<4.52"'
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
        fix: The command that installs or repairs it.
        module: The module without which the component counts as not installed.
        needed_by: Modules of which any makes it a fault that this one is not installed. `None`: it
            is always a fault.
        flavours: Distributions that write the same files; two of them are a fault.
        fixes: Other fixes, for errors that match a pattern.
    """

    name: str
    code: str
    fix: str = 'make setup'
    module: str = ''
    needed_by: tuple[str, ...] | None = None
    flavours: tuple[str, ...] = ()
    fixes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """Outcome of a check; `state` is one of `ok`, `FAULT` and `absent` (but not needed)."""

    name: str
    detail: str
    state: str
    fix: str = ''


TORCH = """
import torch
gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU'
print(f'{torch.__version__} ({gpu})')
"""
NMS = """
import torch, {0}
from {0}.ops import nms
nms(torch.tensor([[0.0, 0.0, 9.0, 9.0]]), torch.tensor([1.0]), 0.5)
print({0}.__version__ + ' (nms runs)')
"""
OPENCV = """
import cv2, numpy
assert cv2.imdecode(cv2.imencode('.png', numpy.zeros((8, 8, 3), 'uint8'))[1], 1).shape == (8, 8, 3)
print(cv2.__version__)
"""
ONNX_RUNTIME = """
import importlib.metadata, onnx.parser, onnxruntime
graph = '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { y = Neg(x) }'
names = {dist.name for dist in importlib.metadata.distributions()}
wanted = 'CUDAExecutionProvider' if 'onnxruntime-gpu' in names else 'CPUExecutionProvider'
if wanted.startswith('CUDA'):
    import torch  # brings the CUDA libraries
model = onnx.parser.parse_model(graph).SerializeToString()
session = onnxruntime.InferenceSession(model, providers=[wanted])
assert session.get_providers()[0] == wanted, f'no session on {wanted}'
assert session.run(None, {'x': [1.0, 2.0]})[0].tolist() == [-1, -2]
providers = ', '.join(p.removesuffix('ExecutionProvider') for p in session.get_providers())
print(f'{onnxruntime.__version__} (runs on {providers})')
"""
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
TRANSFORMERS = """
import importlib.metadata, importlib.util
from bgremoval_mm.compat import mmpretrain_can_use_transformers
works = not importlib.util.find_spec('mmpretrain') or mmpretrain_can_use_transformers()
without = ' (mmpretrain cannot use it and goes without: no multimodal models)'
print(importlib.metadata.version('transformers') + ('' if works else without))
"""
REGISTERED = """
import bgremoval_mm
from mmengine.registry import TRANSFORMS
assert TRANSFORMS.get('RemoveBackground'), 'RemoveBackground is not registered'
print(f'{bgremoval_mm.__version__} (registered)')
"""
MIM = """
from pathlib import Path
from mmengine.utils import get_installed_path
mim = Path(get_installed_path('bgremoval_mm'), '.mim')
for part in ('configs', 'tools/train.py', 'tools/test.py', 'model-index.yml'):
    assert (mim / part).exists(), f'{mim / part} is missing'
print(f'{sum(1 for _ in mim.glob("configs/**/*.py"))} config files')
"""
WEIGHTS = """
import numpy
from bgremoval_mm.removal import BackgroundRemover, find_weights
path = find_weights('{0}')
assert path, 'the model file was not found'
BackgroundRemover('{0}', device='cpu')([numpy.zeros((32, 48, 3), numpy.uint8)])
print(f'{{path}} (verified, runs)')
"""
VERSION = 'import importlib.metadata, {0}; print(importlib.metadata.version("{1}"))'
# bgremoval_mm comes first, as in configs and tools: it makes mmpretrain ignore a new transformers.
CODEBASE = 'import bgremoval_mm, {0}.models; print({0}.__version__)'
CODEBASE_FIXES = {
    r'crashes|undefined symbol|mmcv\._ext': BUILD_MMCV,
    'NoneType takes no arguments': INSTALL_TRANSFORMERS,
}
INSTALL_CV2 = f'{INSTALL} --force-reinstall --no-deps opencv-python'
CV2_FIXES = {r'lib(GL|gthread|glib)\S*\.so': 'sudo apt-get install libgl1 libglib2.0-0'}
CV2_FLAVOURS = ('opencv-python', 'opencv-python-headless', 'opencv-contrib-python')
ORT_FIXES = {'CUDAExecutionProvider': 'make setup ORT=cpu  (or repair the GPU driver)'}
ORT_FLAVOURS = ('onnxruntime', 'onnxruntime-gpu', 'onnxruntime-openvino')


def _extra(extra: str) -> str:
    return f'{INSTALL} -e ".[{extra}]"'


def _version(name: str, fix: str, module: str = '', needed_by: tuple[str, ...] = ()) -> Check:
    """Return the check of an optional component that works if it can be imported."""
    module = module or name
    return Check(name, VERSION.format(module, name), fix, module.split('.')[0], needed_by)


CHECKS = (
    Check('setuptools', VERSION.format('pkg_resources', 'setuptools'), f'{INSTALL} setuptools'),
    Check('torch', TORCH, module='torch'),
    Check('torchvision', NMS.format('torchvision'), module='torchvision'),
    Check('mmengine', VERSION.format('mmengine.runner', 'mmengine'), module='mmengine'),
    Check('mmcv', NMS.format('mmcv'), BUILD_MMCV, 'mmcv', ('mmpretrain', 'mmdet', 'mmseg')),
    *(
        Check(name, CODEBASE.format(name), _extra(extra), name, (), fixes=CODEBASE_FIXES)
        for name, extra in (('mmpretrain', 'cls'), ('mmdet', 'det'), ('mmseg', 'seg'))
    ),
    Check('transformers', TRANSFORMERS, INSTALL_TRANSFORMERS, 'transformers', ()),
    _version('pycocotools', f'{INSTALL} pycocotools', 'pycocotools.mask', needed_by=('mmdet',)),
    Check('opencv', OPENCV, INSTALL_CV2, 'cv2', None, CV2_FLAVOURS, CV2_FIXES),
    Check('onnxruntime', ONNX_RUNTIME, _extra('cpu'), 'onnxruntime', None, ORT_FLAVOURS, ORT_FIXES),
    Check('onnx', VERSION.format('onnx', 'onnx'), f'{INSTALL} onnx', 'onnx'),
    Check('openvino', OPENVINO, _extra('openvino'), 'openvino', ()),
    _version('nncf', _extra('openvino')),
    _version('pi-heif', _extra('formats'), 'pi_heif'),
    _version('ray', _extra('ray')),
    _version('openmim', f'{INSTALL} --no-deps openmim colorama tabulate pandas', 'mim'),
    _version('rembg', _extra('rembg')),
    _version('pymatting', _extra('matting'), 'pymatting.alpha.estimate_alpha_cf'),
    _version('pytorch-metric-learning', _extra('metric'), 'pytorch_metric_learning'),
    _version('faiss-cpu', _extra('metric'), 'faiss'),
    _version('captum', _extra('metric')),
    _version('scikit-learn', _extra('catalogue'), 'sklearn'),
    # It asks for an older numpy and another OpenCV, and runs without.
    _version('pysodmetrics', f'{INSTALL} --no-deps pysodmetrics', 'py_sod_metrics'),
    _version('fastapi', f'{INSTALL} fastapi uvicorn'),
    _version('uvicorn', f'{INSTALL} fastapi uvicorn'),
    Check('bgremoval_mm', REGISTERED, INSTALL_THIS),
    Check('.mim', MIM, INSTALL_THIS),
    Check('model u2netp', WEIGHTS.format('u2netp'), 'bgremoval models u2netp'),
    Check('model u2net', WEIGHTS.format('u2net'), 'bgremoval models u2net'),
)


def run_doctor(checks: Sequence[Check] = CHECKS) -> int:
    """Run all checks and print the table as they end; return 1 if there is a fault, else 0."""
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    width = max(len(check.name) for check in checks)
    faults = 0
    python = Result('Python', f'{sys.version.split()[0]} ({sys.executable})', 'ok')
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for result in itertools.chain([python, describe_cpu()], pool.map(examine, checks)):
            # An error may name a file, whose name may hold anything: terminal escapes, for example.
            detail = printable(result.detail)
            detail = detail if len(detail) <= 100 else f'{detail[:97]}...'
            print(f'{result.name:{width}}  {result.state:6}  {detail}', flush=True)
            if result.fix:
                what = 'fix' if result.state == 'FAULT' else 'optional'
                print(f'{"":{width + 10}}{what}: {result.fix}', flush=True)
            faults += result.state == 'FAULT'
    print(f'\n{faults} fault(s).' if faults else '\nEverything that is installed works.')
    if faults and Path('.venv').is_dir() and not Path('.venv').samefile(sys.prefix):
        print('This Python is not the one of `make setup`: try `.venv/bin/bgremoval doctor`.')
    return 1 if faults else 0


def examine(check: Check) -> Result:
    """Run one check in a process of its own."""
    if check.module and not _is_installed(check.module):
        needed = check.needed_by is None or any(map(_is_installed, check.needed_by))
        return Result(check.name, 'not installed', 'FAULT' if needed else 'absent', check.fix)
    names = {dist.name.lower() for dist in importlib.metadata.distributions()}
    rivals = [name for name in check.flavours if name in names]
    if len(rivals) > 1:
        fix = f'{PIP} uninstall -y {" ".join(rivals)} && {INSTALL} --no-deps {check.flavours[0]}'
        return Result(check.name, f'{" and ".join(rivals)} overwrite each other', 'FAULT', fix)
    # -P: the current folder must not make up for a package that is not installed.
    command = [sys.executable, '-P', '-W', 'ignore', '-c', check.code]
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Result(check.name, f'no answer in {TIMEOUT_SECONDS} s', 'FAULT', check.fix)
    if ended.returncode == 0 and ended.stdout.strip():
        return Result(check.name, _last_line(ended.stdout), 'ok')
    if ended.returncode < 0:
        detail = f'crashes ({signal.Signals(-ended.returncode).name})'
    else:
        detail = _last_line(ended.stderr) or f'ends with code {ended.returncode}'
    fixes = (fix for pattern, fix in check.fixes.items() if re.search(pattern, detail))
    return Result(check.name, detail, 'FAULT', next(fixes, check.fix))


def describe_cpu() -> Result:
    """Return the processor, and whether it computes in bf16, which OpenVINO uses."""
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace')
    except OSError:
        text = ''
    found = re.search(r'^model name\s*: (.*)$', text, re.MULTILINE)
    model = found[1] if found else 'unknown model'
    bf16 = 'bf16 with AMX' if has_amx() else 'bf16' if computes_in_bf16() else 'no bf16'
    return Result('CPU', f'{model}, {len(os.sched_getaffinity(0))} cores, {bf16}', 'ok')


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [''])[-1].strip()
