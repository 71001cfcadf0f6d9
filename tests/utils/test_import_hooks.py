"""Callbacks on imports: when they come, how often, and what they leave behind."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bgremoval_mm.utils import import_hooks
from bgremoval_mm.utils.import_hooks import when_imported

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing else waits, and what is waited for is forgotten afterwards."""
    finder = import_hooks._FINDER
    monkeypatch.setattr(import_hooks, '_waiting', [])
    monkeypatch.setattr(sys, 'meta_path', [each for each in sys.meta_path if each is not finder])
    modules = dict(sys.modules)
    yield
    for name in set(sys.modules) - set(modules):
        if name.startswith('hooked'):
            del sys.modules[name]


@pytest.fixture
def calls() -> list[str]:
    """What has been called."""
    return []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to import from."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def write(folder: Path, code: str = 'x = 1\n', name: str = 'hooked') -> None:
    """Write a module."""
    (folder / f'{name}.py').write_text(code)
    importlib.invalidate_caches()


def test_called_when_the_import_has_ended(folder: Path, calls: list[str]) -> None:
    """Once, with the module complete; a second import and a reload call nothing again."""
    write(folder)
    when_imported('hooked', lambda: calls.append(sys.modules['hooked'].x))
    assert calls == []
    module = importlib.import_module('hooked')
    assert calls == [1]
    importlib.import_module('hooked')
    importlib.reload(module)
    assert calls == [1]


def test_called_at_once_for_what_is_imported(calls: list[str]) -> None:
    """Nothing stays in the import system where nothing has to be waited for."""
    when_imported('sys', lambda: calls.append('sys'))
    assert calls == ['sys']
    assert import_hooks._FINDER not in sys.meta_path


def test_leaves_no_trace(folder: Path) -> None:
    """The finder goes with the last callback, and the module's loader is an ordinary one."""
    write(folder)
    when_imported('hooked', lambda: None)
    assert sys.meta_path[0] is import_hooks._FINDER
    module = importlib.import_module('hooked')
    assert import_hooks._FINDER not in sys.meta_path
    assert type(module.__spec__) is importlib.machinery.ModuleSpec
    assert type(module.__loader__) is importlib.machinery.SourceFileLoader
    assert 'exec_module' not in vars(module.__loader__)


def test_finding_is_not_importing(folder: Path, calls: list[str]) -> None:
    """``find_spec`` calls nothing; the import that follows does."""
    write(folder)
    when_imported('hooked', lambda: calls.append('called'))
    assert importlib.util.find_spec('hooked') is not None
    assert importlib.util.find_spec('hooked_that_is_nowhere') is None
    assert calls == []
    importlib.import_module('hooked')
    assert calls == ['called']


def test_module_loaded_by_hand(folder: Path, calls: list[str]) -> None:
    """A module that is made from its spec, as tools do with scripts, counts as imported."""
    write(folder)
    when_imported('hooked', lambda: calls.append('called'))
    spec = importlib.util.find_spec('hooked')
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert calls == ['called']


def test_lazily_loaded_module(folder: Path, calls: list[str]) -> None:
    """``importlib.util.LazyLoader`` executes at the first use, which is when the call comes."""
    write(folder)
    when_imported('hooked', lambda: calls.append('called'))
    spec = importlib.util.find_spec('hooked')
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    importlib.util.LazyLoader(spec.loader).exec_module(module)
    assert calls == []
    assert module.x == 1
    assert calls == ['called']


def test_failed_import_is_waited_for_again(folder: Path, calls: list[str]) -> None:
    """An error in the module calls nothing; the next, complete import does."""
    write(folder, '1 / 0\n')
    when_imported('hooked', lambda: calls.append('called'))
    with pytest.raises(ZeroDivisionError):
        importlib.import_module('hooked')
    assert calls == []
    write(folder, 'x = 2  # fixed\n')
    importlib.import_module('hooked')
    assert calls == ['called']


@pytest.mark.parametrize('ending', ['', '1 / 0\n'])
def test_asked_from_within_the_module(folder: Path, calls: list[str], ending: str) -> None:
    """What the module itself imports may ask for it: the call waits for the end, if it comes."""
    code = (
        'from bgremoval_mm.utils.import_hooks import when_imported\n'
        'import hooked_calls\n'
        'when_imported("hooked", lambda: hooked_calls.made.append(last))\n'
        'hooked_calls.made.append("half-way")\n'
        f'{ending}last = "ended"\n'
    )
    write(folder, 'made = []\n', 'hooked_calls')
    write(folder, code)
    made = importlib.import_module('hooked_calls').made
    if ending:
        with pytest.raises(ZeroDivisionError):
            importlib.import_module('hooked')
        assert made == ['half-way']
    else:
        importlib.import_module('hooked')
        assert made == ['half-way', 'ended']
        assert import_hooks._FINDER not in sys.meta_path


def test_import_under_way_in_another_thread(folder: Path, calls: list[str]) -> None:
    """The call comes from the thread that imports, when it has done so."""
    code = 'import hooked_gate\nhooked_gate.begun.set()\nhooked_gate.go_on.wait(60)\nx = 1\n'
    write(
        folder,
        'import threading\nbegun, go_on = threading.Event(), threading.Event()\n',
        'hooked_gate',
    )
    write(folder, code)
    gate = importlib.import_module('hooked_gate')
    thread = threading.Thread(target=importlib.import_module, args=('hooked',))
    thread.start()
    assert gate.begun.wait(60)
    when_imported('hooked', lambda: calls.append(threading.current_thread().name))
    assert calls == []
    gate.go_on.set()
    thread.join(60)
    assert calls == [thread.name]


def test_many_threads_call_once(folder: Path, calls: list[str]) -> None:
    """However many threads import a module and ask for it, each callback is called once."""
    write(folder, 'import time\ntime.sleep(0.05)\n')

    def both(number: int) -> None:
        if number % 2:
            importlib.import_module('hooked')
        when_imported('hooked', lambda: calls.append(str(number)))

    threads = [threading.Thread(target=both, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(calls, key=int) == [str(number) for number in range(16)]


def test_module_that_another_finder_loads(folder: Path, calls: list[str]) -> None:
    """A finder that was put in front of ours hides the import only until the next one."""
    write(folder)
    write(folder, 'y = 2\n', 'hooked_next')
    when_imported('hooked', lambda: calls.append('called'))
    sys.meta_path.insert(0, importlib.machinery.PathFinder)  # type: ignore[arg-type]
    importlib.import_module('hooked')
    sys.meta_path.pop(0)
    importlib.import_module('hooked_next')
    assert calls == ['called']


def test_modules_that_share_a_loader(
    tmp_path: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One loader reads a whole archive: a neighbour's import is no one's business."""
    archive = tmp_path / 'modules.zip'
    with zipfile.ZipFile(archive, 'w') as file:
        file.writestr('hooked.py', 'x = 1\n')
        file.writestr('hooked_neighbour.py', 'x = 1\n')
    monkeypatch.syspath_prepend(str(archive))
    when_imported('hooked', lambda: calls.append('called'))
    importlib.import_module('hooked_neighbour')
    assert calls == []
    importlib.import_module('hooked')
    assert calls == ['called']


def test_error_of_a_callback_is_seen(folder: Path) -> None:
    """It comes out of the import statement instead of being lost."""

    def fail() -> None:
        msg = 'cannot register'
        raise RuntimeError(msg)

    write(folder)
    when_imported('hooked', fail)
    with pytest.raises(RuntimeError, match='cannot register'):
        importlib.import_module('hooked')


WORKERS = """
import multiprocessing, sys
from bgremoval_mm.utils.import_hooks import when_imported
calls = []
when_imported('colorsys', lambda: calls.append('called'))
def count(_):
    import colorsys
    return list(calls)
if __name__ == '__main__':
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print(pool.map(count, range(2)), calls)
"""


@pytest.mark.parametrize('method', ['fork', 'spawn', 'forkserver'])
def test_in_worker_processes(tmp_path: Path, method: str) -> None:
    """Workers that are forked take over what waits; spawned ones ask again."""
    (tmp_path / 'workers.py').write_text(WORKERS)
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(
        [sys.executable, 'workers.py', method],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "[['called'], ['called']] []", done.stderr
