"""When a gloo group is made, and when the hands are kept off."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta

import pytest
from mmengine.config import Config
from torch import distributed

from bgremoval_mm.engine.process_group import process_group


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """A CPU in a process that torchrun has started; what is asked of torch is written down."""
    made: list[object] = []
    monkeypatch.setattr('mmengine.device.get_device', lambda: 'cpu')
    monkeypatch.setenv('RANK', '0')

    def init(backend: str, timeout: timedelta | None) -> None:
        made.append((backend, timeout))

    monkeypatch.setattr(distributed, 'init_process_group', init)
    monkeypatch.setattr(distributed, 'barrier', lambda: made.append('barrier'))
    monkeypatch.setattr(distributed, 'destroy_process_group', lambda: made.append('destroy'))
    return made


def test_group_lasts_as_long_as_the_run(calls: list[object]) -> None:
    """It is made on entering, with the config's time limit, and ended by all at once."""
    dist_cfg = {'backend': 'nccl', 'timeout': 90}
    group = process_group(Config({'launcher': 'pytorch', 'env_cfg': {'dist_cfg': dist_cfg}}))
    assert calls == []
    with group:
        assert calls == [('gloo', timedelta(seconds=90))]
    assert calls[1:] == ['barrier', 'destroy']


def test_group_ends_after_an_error(calls: list[object]) -> None:
    """A process that fails does not wait for the others; it leaves them."""
    failing = pytest.raises(OSError, match='full')
    msg = 'the disk is full'
    with failing, process_group(Config({'launcher': 'pytorch'})):
        raise OSError(msg)
    assert calls == [('gloo', None), 'destroy']


@pytest.mark.parametrize(
    ('launcher', 'device'),
    [('none', 'cpu'), (None, 'cpu'), ('pytorch', 'cuda'), ('slurm', 'npu'), ('mpi', 'cuda')],
)
def test_nothing_is_touched(
    calls: list[object], monkeypatch: pytest.MonkeyPatch, launcher: str | None, device: str
) -> None:
    """In one process, or with an accelerator, mmengine does it."""
    monkeypatch.setattr('mmengine.device.get_device', lambda: device)
    group = process_group(Config({} if launcher is None else {'launcher': launcher}))
    assert isinstance(group, nullcontext)
    with group:
        pass
    assert calls == []


@pytest.mark.parametrize('launcher', ['slurm', 'mpi'])
def test_other_launchers_need_an_accelerator(calls: list[object], launcher: str) -> None:
    """What mmengine cannot start on CPUs, and neither can this, is said with the way out."""
    with pytest.raises(ValueError, match=rf'{launcher} needs an accelerator.*dist_train\.sh'):
        process_group(Config({'launcher': launcher}))


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
def test_launcher_without_torchrun(
    calls: list[object], monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    """``--launcher pytorch`` by hand names what starts the processes, instead of a KeyError."""
    monkeypatch.setattr('mmengine.device.get_device', lambda: device)
    monkeypatch.delenv('RANK')
    with pytest.raises(ValueError, match=r'there is no RANK .* tools/dist_train\.sh'):
        process_group(Config({'launcher': 'pytorch'}))
