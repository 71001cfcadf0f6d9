"""The ONNX files under OpenVINO, on CPUs: in fp32, in bf16 where the CPU has it, in int8."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from bgremoval_mm.removal.backends.base import Backend, DeviceError
from bgremoval_mm.removal.backends.int8 import INSTALL, quantised_model
from bgremoval_mm.removal.backends.onnx_graph import make_batchable
from bgremoval_mm.removal.backends.onnx_runtime import OnnxRuntimeBackend
from bgremoval_mm.removal.backends.sessions import lock_of, run_session
from bgremoval_mm.removal.zoo.weights import read_weights

__all__ = ['OpenVinoBackend', 'capabilities']

_RUNTIME = 'openvino'


@dataclass(frozen=True)
class OpenVinoBackend(Backend):
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
        """Run the network; see Backend. A forked child of a process that did so cannot."""
        if _is_inherited():
            return self._run_after_fork(batch)
        return np.concatenate([self._run_part(part) for part in self.parts(batch)])

    def _run_part(self, part: np.ndarray) -> np.ndarray:
        return run_session(
            _RUNTIME, self, lambda: _Session(_compile(self)), lambda session: session.infer(part)
        )

    def _run_after_fork(self, batch: np.ndarray) -> np.ndarray:
        """Run ONNX Runtime in a forked child: OpenVINO's threads have stayed with the parent."""
        if self.options.precision != 'fp32':
            msg = (
                'OpenVINO was used before this process was forked, and hangs in it; only '
                f"precision='fp32', not {self.options.precision!r}, can be computed otherwise. "
                "Make the masks beforehand, or start workers by 'spawn' (mp_cfg=dict("
                "mp_start_method='spawn') in a config)"
            )
            raise DeviceError(msg)
        options = replace(self.options, backend='onnxruntime', device='cpu')
        return OnnxRuntimeBackend(options).run(batch)


class _Session:
    """A compiled model and its requests, as many as threads run it at once.

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


def _core() -> Any:
    """Return the one Core of this process, which is never given up.

    A Core whose CPU plugin is loaded replaces the thread's alternate signal stack, and puts back
    the former one when it goes. Two of them that do not go in the reverse order of their coming
    leave a stack that is freed already, on which the next signal handler of Python (Ctrl-C, a child
    that ends) crashes the process. Seen with OpenVINO 2026.4.
    """
    import openvino  # type: ignore[import-untyped]

    with lock_of(_RUNTIME):
        process = os.getpid()
        if process not in _cores:
            if _is_inherited():
                msg = 'OpenVINO was used before this process was forked, and hangs in it'
                raise DeviceError(msg)
            _cores[process] = None  # a child that is forked meanwhile has inherited it, too
            openvino.Tensor(np.zeros(1, np.float32))  # the bindings' first array: see `sessions`
            _cores[process] = openvino.Core()
        return _cores[process]


_cores: dict[int, Any] = {}  # by the number of the process: a child cannot use its parent's


def _is_inherited() -> bool:
    """Return whether OpenVINO was loaded in a process that this one was forked from.

    Its thread pool is then that of the parent, without its threads: a new Core sometimes hangs.
    """
    return bool(_cores) and os.getpid() not in _cores


def capabilities() -> set[str]:
    """Return what the CPU computes in: of 'FP32', 'BF16', 'INT8' ...; empty without OpenVINO."""
    try:
        core = _core()
    except (ImportError, DeviceError):
        return set()
    return set(core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES'))


def _compile(backend: OpenVinoBackend) -> Any:
    chosen = backend.options
    try:
        core = _core()
    except ImportError as err:
        msg = f"backend='openvino' needs OpenVINO: `{INSTALL}`"
        raise ImportError(msg) from err
    if chosen.device not in ('auto', 'cpu'):
        msg = f"backend='openvino' runs on the CPU, but device={chosen.device!r} was asked for"
        raise DeviceError(msg)
    offered = capabilities()
    if chosen.precision == 'bf16' and 'BF16' not in offered:
        msg = (
            "precision='bf16' needs a CPU with AVX-512 BF16 or AMX; this one offers "
            f'{", ".join(sorted(offered))}'
        )
        raise DeviceError(msg)
    options: dict[str, Any] = {
        'INFERENCE_PRECISION_HINT': 'bf16' if chosen.precision == 'bf16' else 'f32',
        'PERFORMANCE_HINT': 'LATENCY' if backend.streams == 1 else 'THROUGHPUT',
        'NUM_STREAMS': backend.streams,
    }
    if threads := backend.threads_in_all():
        options['INFERENCE_NUM_THREADS'] = threads
    graph = make_batchable(read_weights(chosen.spec, chosen.accept_licence), chosen.spec)
    if chosen.precision == 'int8':
        model = core.read_model(quantised_model(core, chosen.spec, chosen.calibration, graph))
    else:
        model = core.read_model(graph)
    return core.compile_model(model, 'CPU', options)
