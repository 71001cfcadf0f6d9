"""What stock mmengine 0.10 needs on a current torch.

From 2.6 on ``torch.load`` refuses every class that is not on its allow-list
(``weights_only=True``), and mmengine 0.10.7 calls it without saying otherwise: resuming and testing
any of its checkpoints ends in ``UnpicklingError: Weights only load failed``. What such a checkpoint
holds beside tensors is harmless (numpy arrays in the message hub's ``HistoryBuffer``), so it is put
on the list. Configs import this package, so the stock tools profit as well as ours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from inspect import isfunction
from typing import Any

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

__all__ = ['allow_mmengine_checkpoints']


def allow_mmengine_checkpoints() -> None:
    """Put what an mmengine checkpoint holds on ``torch.load``'s allow-list.

    Calling it again changes nothing; without an allow-list (torch < 2.4) it does nothing. It makes
    nothing else loadable: see :func:`_history_buffer_method` on ``getattr``.
    """
    add_safe_globals = getattr(torch.serialization, 'add_safe_globals', None)
    if add_safe_globals is not None:
        add_safe_globals(list(_checkpoint_globals()))


@lru_cache(maxsize=1)
def _checkpoint_globals() -> tuple[Any, ...]:
    """Everything to allow, made once so that the allow-list (a set) knows a repetition."""
    # Every dtype has a class of its own since numpy 1.20, and mmseg keeps np.float32 scores.
    dtype_classes = {type(np.dtype(code)) for code in '?bBhHiIlLqQefd'}
    # The module is called after the numpy that wrote the checkpoint, whichever one reads it.
    arrays = [
        _filed_under(f'{module}.{function.__name__}', function)
        for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
        for function in _numpy_constructors()
    ]
    method = _filed_under('builtins.getattr', _history_buffer_method)
    return (HistoryBuffer, np.ndarray, np.dtype, *dtype_classes, *arrays, method)


def _numpy_constructors() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The two private functions by which numpy pickles an array and a scalar."""
    reconstruct = np.empty(0).__reduce__()[0]
    scalar = np.float64(0).__reduce__()[0]
    return reconstruct, scalar  # type: ignore[return-value]


def _history_buffer_method(owner: Any, name: str) -> Any:
    """Stand in for ``getattr`` while a checkpoint is read.

    ``HistoryBuffer`` pickles its table of statistics, whose functions a protocol-2 pickle writes as
    ``getattr(HistoryBuffer, 'mean')``. Allowing the real ``getattr`` would undo what
    ``weights_only`` is for: a forged file could walk from any allowed object to ``builtins`` (by
    way of ``getattr.__self__``) and plant it in a module's globals. This one hands out the public
    functions of ``HistoryBuffer`` and nothing else.

    Raises:
        ValueError: If anything else is asked for.
    """
    # Not HistoryBuffer._statistics_methods: it is empty until the process makes its first buffer.
    if owner is HistoryBuffer and not name.startswith('_'):
        function = vars(HistoryBuffer).get(name)
        if isfunction(function):
            return function
    msg = (
        f'the checkpoint asks for the attribute {name!r} of {owner!r}, but only the public '
        'functions of mmengine.logging.HistoryBuffer are handed out. If you trust where the file '
        'comes from, set TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1.'
    )
    raise ValueError(msg)


def _filed_under(path: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``function`` so that the allow-list, which goes by name, files it under ``path``.

    ``add_safe_globals`` takes ``(function, path)`` pairs too, but only in newer versions of torch.
    """

    def call(*args: Any) -> Any:
        return function(*args)

    call.__module__, call.__qualname__ = path.rsplit('.', 1)
    return call
