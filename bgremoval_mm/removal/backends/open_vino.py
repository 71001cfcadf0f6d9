"""The ONNX files under OpenVINO, on CPUs: in fp32, in bf16 where the CPU has it, in int8."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from bgremoval_mm.removal.backends.base import (
    DeviceError,
    Settings,
    read_weights,
    threads_in_all,
)
from bgremoval_mm.removal.backends.onnx_graph import make_batchable
from bgremoval_mm.removal.backends.onnx_runtime import OnnxRuntimeBackend
from bgremoval_mm.removal.backends.sessions import run_session
from bgremoval_mm.removal.catalogue import ModelSpec
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images import ImageError, read_image
from bgremoval_mm.removal.preprocessing import preprocess
from bgremoval_mm.removal.scan import list_images
from bgremoval_mm.removal.weights import cache_dir

logger = logging.getLogger(__name__)

PRECISIONS = ('fp32', 'bf16', 'int8')
CALIBRATION_PHOTOS = 64
_INSTALL = 'pip install "bgremoval_mm[openvino]"'


@dataclass(frozen=True)
class OpenVinoBackend(Settings):
    """A model under OpenVINO, on the CPU."""

    @property
    def has_streams(self) -> bool:
        """Whether several runs can share the CPU's threads."""
        return True

    @property
    def uses_gpu(self) -> bool:
        """Whether it runs on a GPU: never."""
        return False

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Float32 inputs (N, 3, h, w) to the model's first output, float32 (N, C, h, w)."""
        if _is_inherited():
            return self._run_after_fork(batch)
        return np.concatenate([self._run_part(part) for part in self.parts(batch)])

    def _run_part(self, part: np.ndarray) -> np.ndarray:
        return run_session(
            self, lambda: _Session(_compile(self)), lambda session: session.infer(part)
        )

    def _run_after_fork(self, batch: np.ndarray) -> np.ndarray:
        """What a forked child does in place: OpenVINO's threads have stayed with the parent."""
        if self.precision != 'fp32':
            msg = (
                f'OpenVINO was used before this process was forked, and hangs in it; only '
                f"precision='fp32', not {self.precision!r}, can be computed otherwise. Make the "
                "masks beforehand, or start workers by 'spawn' (mp_cfg=dict("
                "mp_start_method='spawn') in a config)"
            )
            raise DeviceError(msg)
        twin = OnnxRuntimeBackend(self.spec, 'cpu', self.num_threads, self.accept_licence)
        return twin.run(batch)


class _Session:
    """A compiled model and its requests: one a thread that is here at once, used again and again.

    A request holds the memory of a run; making one for each run costs a sixth of the time.
    """

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: SimpleQueue[Any] = SimpleQueue()

    def infer(self, batch: np.ndarray) -> np.ndarray:
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._compiled.create_infer_request()
        try:
            output: np.ndarray = request.infer([batch])[self._compiled.output(0)].copy()
            return output
        finally:
            self._idle.put(request)


@cache
def _core(process: int) -> Any:
    """The Core of a process, which is never given up.

    A Core whose CPU plugin is loaded replaces the thread's alternate signal stack, and puts back
    the former one when it goes. Two of them that do not go in the reverse order of their coming
    leave a stack that is freed already, on which the next signal handler of Python (Ctrl-C, a child
    that ends) crashes the process. Seen with OpenVINO 2026.4.

    Args:
        process: The process's number: a forked child cannot use its parent's.
    """
    import openvino  # type: ignore[import-untyped]

    if _is_inherited():
        msg = 'OpenVINO was used before this process was forked, and hangs in it'
        raise DeviceError(msg)
    _loaded_in.append(process)
    return openvino.Core()


_loaded_in: list[int] = []


def _is_inherited() -> bool:
    """Whether OpenVINO was loaded in a process that this one was forked from.

    Its thread pool is then that of the parent, without its threads: a new Core sometimes hangs.
    """
    return bool(_loaded_in) and os.getpid() not in _loaded_in


def capabilities() -> set[str]:
    """What the CPU computes in: of 'FP32', 'BF16', 'INT8' ...; empty without OpenVINO."""
    try:
        core = _core(os.getpid())
    except (ImportError, DeviceError):
        return set()
    return set(core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES'))


def _compile(backend: OpenVinoBackend) -> Any:
    try:
        core = _core(os.getpid())
    except ImportError as err:
        msg = f"backend='openvino' needs OpenVINO: `{_INSTALL}`"
        raise ImportError(msg) from err
    if backend.device not in ('auto', 'cpu'):
        msg = f"backend='openvino' runs on the CPU, but device={backend.device!r} was asked for"
        raise DeviceError(msg)
    offered = capabilities()
    if backend.precision == 'bf16' and 'BF16' not in offered:
        msg = (
            "precision='bf16' needs a CPU with AVX-512 BF16 or AMX; this one offers "
            f'{", ".join(sorted(offered))}'
        )
        raise DeviceError(msg)
    options: dict[str, Any] = {
        'INFERENCE_PRECISION_HINT': 'bf16' if backend.precision == 'bf16' else 'f32',
        'PERFORMANCE_HINT': 'LATENCY' if backend.streams == 1 else 'THROUGHPUT',
        'NUM_STREAMS': backend.streams,
    }
    if threads := threads_in_all(backend):
        options['INFERENCE_NUM_THREADS'] = threads
    graph = make_batchable(read_weights(backend), backend.spec)
    if backend.precision == 'int8':
        model = core.read_model(quantised_model(backend, graph) / 'model.xml')
    else:
        model = core.read_model(graph)
    return core.compile_model(model, 'CPU', options)


def quantised_model(backend: OpenVinoBackend, graph: bytes) -> Path:
    """Folder of the int8 model, made by NNCF's post-training quantisation if it is not there.

    It lies beside the weights, under a name with a hash of the weights, of the calibration photos'
    content and of the settings; so other photos give another model, and none is used for another.

    Raises:
        ValueError: If there is no calibration folder, or no photo in it.
        ImportError: If NNCF is not installed.
    """
    photos = calibration_photos(backend.calibration)
    contents = [hashlib.sha256(photo.read_bytes()).hexdigest() for photo in photos]
    key = hashlib.sha256('\n'.join([backend.spec.hash, 'mixed', *contents]).encode()).hexdigest()
    folder = cache_dir() / f'{backend.spec.name}-int8-{key[:16]}'
    if (folder / 'model.xml').is_file():
        return folder
    try:
        import nncf  # type: ignore[import-untyped]
        import openvino
    except ImportError as err:
        msg = f"precision='int8' needs NNCF to quantise the model: `{_INSTALL}`"
        raise ImportError(msg) from err
    logger.info('quantising %s with %d photos, once', backend.spec.name, len(photos))
    inputs = [_read(photo, backend.spec) for photo in photos]
    model = nncf.quantize(
        _core(os.getpid()).read_model(graph),
        nncf.Dataset(inputs),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(inputs),
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix='.tmp-int8-'))
    try:
        openvino.save_model(model, temporary / 'model.xml', compress_to_fp16=False)
        try:
            temporary.rename(folder)
        except OSError:  # another process was faster
            if not (folder / 'model.xml').is_file():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _read(photo: Path, spec: ModelSpec) -> np.ndarray:
    """Return the network's input of a calibration photo.

    Raises:
        ArgumentError: If it cannot be read.
    """
    try:
        return preprocess(read_image(photo).rgb, spec)[None]
    except (ImageError, OSError) as err:
        msg = f'`calibration` must be a folder of good photos: mend or delete {photo}: {err}'
        raise ArgumentError(msg) from err


def calibration_photos(folder: str | None) -> list[Path]:
    """Return at most 64 photos of a folder, at equal distances in the order of their names.

    Raises:
        ArgumentError: If there is no folder, or no photo in it.
    """
    if folder is None:
        msg = (
            "precision='int8' needs `calibration`: a folder of photos like those whose background "
            'is to be removed, some dozens of them'
        )
        raise ArgumentError(msg)
    try:
        files = list_images(folder)
    except ArgumentError as err:
        msg = f'`calibration` must be a folder with photos, but there is none in {folder}'
        raise ArgumentError(msg) from err
    indices = np.linspace(0, len(files) - 1, min(CALIBRATION_PHOTOS, len(files))).round()
    return [files[int(index)] for index in indices]
