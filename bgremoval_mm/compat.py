"""What stock mmengine 0.10 and mmpretrain 1.2 need beside current torch and transformers.

*torch.* From 2.6 on ``torch.load`` refuses every class that is not on its allow-list
(``weights_only=True``), and mmengine 0.10.7 calls it without saying otherwise: resuming and testing
any of its checkpoints ends in ``UnpicklingError: Weights only load failed``. What such a checkpoint
holds beside tensors is harmless (numpy arrays in the message hub's ``HistoryBuffer``), so it is put
on the list. Configs import this package, so the stock tools profit as well as ours.

*transformers.* mmpretrain 1.2.0 takes any version from 4.28 on for usable, and then fails to import
beside 4.52 and newer, which lack names that its multimodal models derive from. Everything
else in it works, so it is told that they are not available. Nobody else's transformers is touched.

Both happen when torch or mmpretrain has been imported, not before: this module loads neither.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import FunctionType
from typing import Any

from bgremoval_mm.utils.import_hooks import when_imported

__all__ = ['allow_mmengine_checkpoints', 'keep_compatible', 'mmpretrain_can_use_transformers']

_DEPENDENCY = 'mmpretrain.utils.dependency'
_NEEDED_OF_TRANSFORMERS = ('GenerationMixin', 'PreTrainedModel', 'apply_chunking_to_forward')
_BUFFER = 'mmengine.logging.history_buffer'


def keep_compatible() -> None:
    """See to all of this: at once for what is imported already, else when it is."""
    when_imported('torch', _torch_has_come)
    when_imported(_DEPENDENCY, _mmpretrain_has_come)


def _torch_has_come() -> None:
    if find_spec('mmengine') is not None:
        allow_mmengine_checkpoints()


def allow_mmengine_checkpoints() -> None:
    """Put what an mmengine checkpoint holds on ``torch.load``'s allow-list.

    Calling it again changes nothing; without an allow-list (torch < 2.4) it does nothing. It makes
    nothing else loadable: see :func:`_history_buffer_method` on ``getattr``.
    """
    add_safe_globals = getattr(import_module('torch.serialization'), 'add_safe_globals', None)
    if add_safe_globals is not None:
        add_safe_globals([*_numpy_globals(), _HISTORY_BUFFER_METHOD, _LaterHistoryBuffer])
        when_imported(_BUFFER, _mmengine_has_come)


def _mmengine_has_come() -> None:
    """Put the real class in the place of the one that stood in for it."""
    _LaterHistoryBuffer.__qualname__ = 'HistoryBuffer, until mmengine is imported'
    import_module('torch.serialization').add_safe_globals([_history_buffer()])


def _history_buffer() -> Any:
    return import_module(_BUFFER).HistoryBuffer


class _LaterHistoryBuffer:
    """Placeholder of ``HistoryBuffer`` until mmengine is imported, if need be by the checkpoint.

    The allow-list compares full names, so this class has that of the other.
    """

    def __new__(cls) -> Any:
        real = _history_buffer()
        return real.__new__(real)


_LaterHistoryBuffer.__module__, _LaterHistoryBuffer.__qualname__ = _BUFFER, 'HistoryBuffer'


@lru_cache(maxsize=1)
def _numpy_globals() -> tuple[Any, ...]:
    """Return what arrays and scalars need, made once: the allow-list is a set."""
    import numpy as np

    # Every dtype has a class of its own since numpy 1.20, and mmseg keeps np.float32 scores.
    dtype_classes = {type(np.dtype(code)) for code in '?bBhHiIlLqQefd'}
    # The two private functions by which numpy pickles an array and a scalar.
    constructors: Any = (np.empty(0).__reduce__()[0], np.float64(0).__reduce__()[0])
    # The module is called after the numpy that wrote the checkpoint, whichever one reads it.
    arrays = [
        _filed_under(f'{module}.{function.__name__}', function)
        for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
        for function in constructors
    ]
    return (np.ndarray, np.dtype, *dtype_classes, *arrays)


def _history_buffer_method(owner: Any, name: str) -> Any:
    """Replace ``getattr`` while a checkpoint is read.

    ``HistoryBuffer`` pickles its table of statistics, whose functions a protocol-2 pickle writes as
    ``getattr(HistoryBuffer, 'mean')``. Allowing the real ``getattr`` would undo what
    ``weights_only`` is for: a forged file could walk from any allowed object to ``builtins`` (by
    way of ``getattr.__self__``) and plant it in a module's globals. This one hands out the public
    functions of ``HistoryBuffer`` and nothing else.

    Raises:
        ValueError: If anything else is asked for.
    """
    real = _history_buffer()
    # Not HistoryBuffer._statistics_methods: it is empty until the process makes its first buffer.
    if owner in (real, _LaterHistoryBuffer) and not name.startswith('_'):
        function = vars(real).get(name)
        if isinstance(function, FunctionType):
            return function
    msg = (
        f'the checkpoint asks for the attribute {name!r} of {owner!r}, but only the public '
        'functions of mmengine.logging.HistoryBuffer are handed out. If you trust where the file '
        'comes from, set TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1.'
    )
    raise ValueError(msg)


def _filed_under(path: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``function`` so that the allow-list, which compares names, files it under ``path``.

    ``add_safe_globals`` takes ``(function, path)`` pairs too, but only in newer versions of torch.
    """

    def call(*args: Any) -> Any:
        return function(*args)

    call.__module__, call.__qualname__ = path.rsplit('.', 1)
    return call


_HISTORY_BUFFER_METHOD = _filed_under('builtins.getattr', _history_buffer_method)


def _mmpretrain_has_come() -> None:
    """Turn the switch that mmpretrain's other modules read as they are imported."""
    dependency: Any = sys.modules[_DEPENDENCY]
    if getattr(dependency, 'WITH_MULTIMODAL', False) and not mmpretrain_can_use_transformers():
        dependency.WITH_MULTIMODAL = False


def mmpretrain_can_use_transformers() -> bool:
    """Return whether transformers has what mmpretrain's multimodal models derive from."""
    from importlib.metadata import version

    if int(version('transformers').split('.')[0]) >= 5:
        return False  # known, and seconds quicker than trying
    try:
        models = import_module('transformers.modeling_utils')
    except Exception:  # noqa: BLE001  # an installation may be broken in any way
        return False
    return all(hasattr(models, name) for name in _NEEDED_OF_TRANSFORMERS)
