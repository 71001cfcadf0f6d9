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
from bgremoval_mm.moved import MOVED, RENAMED
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


LOADED = (
    "import sys; print(*sorted({heavy!r} & {{name.partition('.')[0] for name in sys.modules}}))"
)


@pytest.mark.parametrize(
    'module', ['bgremoval_mm', 'bgremoval_mm.removal', 'bgremoval_mm.registry']
)
def test_nothing_heavy_is_imported(module: str) -> None:
    """These imports load Python's own modules only."""
    assert python(f'import {module}; {LOADED.format(heavy=set(HEAVY))}') == ''


@pytest.mark.parametrize(
    'package', ['datasets', 'engine', 'engine.hooks', 'evaluation.metrics', 'experiments']
)
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
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, WheelSource
import bgremoval_mm.removal, bgremoval_mm
mask, = BackgroundRemover({spec!r}, 'onnxruntime', 'cpu')([np.zeros((8, 16, 3), np.uint8)])
print(mask.shape)
try:
    from bgremoval_mm import RembgDataset
except ImportError as err:
    print(err)
"""


@pytest.mark.parametrize(
    'blocked',
    [('torch', 'mmengine', 'mmcv'), ('mmcv',), ('mmcv', 'mmdet', 'mmpretrain', 'mmseg'), OPENMMLAB],
)
def test_engine_works_without(blocked: tuple[str, ...], tiny_model) -> None:
    """Whatever part of OpenMMLab is missing, the engine works; the plugin says what it needs."""
    code = BLOCK.format(blocked=set(blocked)) + REMOVAL.format(spec=tiny_model('u2netp'))
    shape, message = python(code).splitlines()
    assert shape == '(8, 16)'
    assert message == (
        'RembgDataset needs OpenMMLab: pip install "bgremoval_mm[cls]" (or det, seg, all)'
    )


def test_the_rest_works_without_mmcv() -> None:
    """What needs mmengine only is there, and registered, where mmcv is not."""
    code = BLOCK.format(blocked={'mmcv'}) + (
        'from mmengine.registry import HOOKS, TRANSFORMS\n'
        'from bgremoval_mm import DiffMetricsHook, Clothing10\n'
        'print(type(HOOKS.build(dict(type="EpochSeedHook"))).__name__)\n'
        'try: TRANSFORMS.build(dict(type="RemoveBackground"))\n'
        'except ImportError as err: print(err)\n'
    )
    hook, message = python(code).splitlines()
    assert hook == 'EpochSeedHook'
    assert message.startswith('RemoveBackground needs OpenMMLab: pip install "bgremoval_mm[cls]"')


def test_class_of_a_missing_codebase_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the codebase and the extra; the error is ours, and an ImportError."""
    monkeypatch.setitem(sys.modules, 'mmdet', None)
    with pytest.raises(
        MissingCodebaseError, match=r'^CCP needs mmdet: pip .*"bgremoval_mm\[det\]"$'
    ):
        load_class('CCP')


def test_unknown_name() -> None:
    """A name that is nowhere is an AttributeError, as of any module."""
    with pytest.raises(AttributeError, match=r"module 'bgremoval_mm' has no attribute 'Rembg'"):
        bgremoval_mm.Rembg  # noqa: B018
    assert not hasattr(bgremoval_mm.removal, 'no_such_name')


def test_error_in_a_module_is_not_called_missing(tmp_path: Path) -> None:
    """A module of the package that cannot be imported says why, also when asked for by name."""
    code = BLOCK.format(blocked={'cv2'}) + (
        'import bgremoval_mm.removal\n'
        'try: bgremoval_mm.removal.masks.functional\n'
        'except ImportError as err: print(err)\n'
    )
    assert python(code) == 'cv2 is blocked'


def test_modules_are_there_with_the_package() -> None:
    """``import bgremoval_mm`` is enough for ``bgremoval_mm.removal.masks``, as it always was."""
    code = (
        'import bgremoval_mm\n'
        'print(bgremoval_mm.removal.masks.__name__, bgremoval_mm.datasets.formats.__name__)\n'
    )
    assert python(code) == 'bgremoval_mm.removal.masks bgremoval_mm.datasets.formats'


LAZY_PACKAGES = ['', 'datasets', 'engine.hooks', 'evaluation.metrics', 'removal']


@pytest.mark.parametrize('name', LAZY_PACKAGES)
def test_names_are_the_same_for_people_and_type_checkers(name: str) -> None:
    """What a package hands out is what it lists, and what its imports for type checkers name."""
    package = importlib.import_module(f'bgremoval_mm.{name}'.rstrip('.'))
    tree = ast.parse(Path(str(package.__file__)).read_text(encoding='utf-8'))
    blocks = [node for node in tree.body if isinstance(node, ast.If)]
    (block,) = [node for node in blocks if ast.unparse(node.test) == 'TYPE_CHECKING']
    for imported in block.body:
        assert isinstance(imported, ast.ImportFrom)
        home = importlib.import_module(str(imported.module))
        for alias in imported.names:
            assert getattr(package, alias.name) is getattr(home, alias.name)
    typed = {alias.name for node in block.body for alias in node.names}  # type: ignore[attr-defined]
    assert typed | {'__version__'} == {*package.__all__, '__version__'}
    assert set(package.__all__) <= set(dir(package))


def test_every_class_is_in_the_table() -> None:
    """Each public class of the plugin is registered, and stands where the table says."""
    assert set(bgremoval_mm.__all__) - {'__version__'} <= set(CLASSES)
    for entry in CLASSES.values():
        loaded = load_class(entry.name)
        assert (loaded.__module__, loaded.__name__) == (entry.module, entry.name)


REGISTERED = """
from mmengine.registry import DATASETS, HOOKS, METRICS, TRANSFORMS
for registry, name in [(TRANSFORMS, 'RemoveBackground'), (DATASETS, 'RembgDataset'),
                       (HOOKS, 'EpochSeedHook'), (METRICS, 'ClasswiseAccuracy')]:
    assert registry.module_dict[name].__name__ == name  # get() loads torch, to log
print('registered')
"""

BUILT = """
from mmengine.config import Config
from mmengine.registry import TRANSFORMS, DefaultScope
Config.fromfile('config.py')
for scope in (None, 'mmengine', 'mmpretrain', 'mmdet', 'mmseg'):
    if scope:
        DefaultScope.get_instance(f'test-{scope}', scope_name=scope)
    print(type(TRANSFORMS.build(dict(type='RemoveBackground'))).__module__)
assert isinstance(TRANSFORMS.get('RemoveBackground'), type)
"""

CONFIG = "custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)\n"
ORDERS = {
    'ours first': 'import bgremoval_mm, mmengine',
    'ours and the engine first': 'import bgremoval_mm.removal, mmengine.runner',
    'mmengine first': 'import mmengine; import bgremoval_mm',
    'a codebase first': 'import mmpretrain.datasets; import bgremoval_mm',
    'the class first': 'from bgremoval_mm import RemoveBackground, RembgDataset',
    'its module first': 'from bgremoval_mm.datasets.transforms.remove_background import *',
    'its module after mmengine': 'import mmengine; import bgremoval_mm.datasets.wrappers',
    'by a config': 'from mmengine.config import Config; Config.fromfile("config.py")',
    'ours twice': (
        'import importlib, bgremoval_mm, mmengine.registry; importlib.reload(bgremoval_mm); '
        'importlib.reload(mmengine.registry); importlib.reload(bgremoval_mm.registry)'
    ),
    'looked for first': (
        'import bgremoval_mm, importlib.util as u; u.find_spec("mmengine"); import mmengine'
    ),
    'in another thread': (
        'import threading as t, bgremoval_mm; f = lambda: __import__("mmengine.registry"); '
        'a = [t.Thread(target=f) for _ in range(4)]; [b.start() for b in a]; [b.join() for b in a]'
    ),
}


@pytest.mark.parametrize('order', ORDERS)
def test_registered_whoever_comes_first(tmp_path: Path, order: str) -> None:
    """In each order of imports the names are found."""
    (tmp_path / 'config.py').write_text(CONFIG)
    assert python(f'{ORDERS[order]}\n{REGISTERED}', tmp_path) == 'registered'


@pytest.mark.slow
def test_built_under_every_scope(tmp_path: Path) -> None:
    """The short name builds the class under each codebase's scope, by ``custom_imports`` alone."""
    (tmp_path / 'config.py').write_text(CONFIG)
    assert (
        python(BUILT, tmp_path).split()
        == ['bgremoval_mm.datasets.transforms.remove_background'] * 5
    )


def test_registered_in_spawned_workers(tmp_path: Path) -> None:
    """A spawned worker that unpickles a config and builds from it finds the names."""
    (tmp_path / 'work.py').write_text(
        'import multiprocessing\n'
        'import bgremoval_mm\n'
        'def build(cfg):\n'
        '    from mmengine.registry import TRANSFORMS\n'
        '    return type(TRANSFORMS.build(cfg)).__name__\n'
        'if __name__ == "__main__":\n'
        '    with multiprocessing.get_context("spawn").Pool(1) as pool:\n'
        '        print(pool.map(build, [dict(type="RemoveBackground")]))\n'
    )
    assert python('import runpy; runpy.run_path("work.py", run_name="__main__")', tmp_path) == (
        "['RemoveBackground']"
    )


def test_names_of_others_are_not_taken_over() -> None:
    """A class of the user's own that was registered first under the name is an error, as before."""
    code = (
        'from mmengine.registry import TRANSFORMS\n'
        '@TRANSFORMS.register_module()\n'
        'class RemoveBackground: pass\n'
        'try: import bgremoval_mm\n'
        'except KeyError as err: print(err)\n'
        'assert TRANSFORMS.get("RemoveBackground") is RemoveBackground\n'
    )
    assert python(code).startswith(
        "'RemoveBackground is already registered in transform at __main__"
    )


LAZY_CONFIG = """
import bgremoval_mm
from mmengine.config import read_base
from bgremoval_mm import EpochSeedHook
custom_hooks = [dict(type=EpochSeedHook)]
by_path = dict(type=bgremoval_mm.EpochSeedHook)
"""


def test_python_style_config(tmp_path: Path) -> None:
    """A config that names the classes instead of strings is read, pickled and built."""
    (tmp_path / 'config.py').write_text(LAZY_CONFIG)
    code = (
        'import pickle\n'
        'from mmengine.config import Config\n'
        'from mmengine.registry import HOOKS\n'
        'cfg = pickle.loads(pickle.dumps(Config.fromfile("config.py")))\n'
        'for each in (cfg.custom_hooks[0], cfg.by_path):\n'
        '    print(type(HOOKS.build(each)).__name__)\n'
    )
    assert python(code, tmp_path).split() == ['EpochSeedHook'] * 2


@pytest.fixture
def placeholder() -> Iterator[_Placeholder]:
    """A placeholder in the registry of metrics, as before the first use of the class."""
    entry = CLASSES['ClasswiseAccuracy']
    held = METRICS.module_dict.pop(entry.name)
    lazy_register([entry])
    yield METRICS.module_dict[entry.name]
    METRICS.register_module(name=entry.name, module=held, force=True)


def test_placeholder_gives_way_to_the_class(placeholder: _Placeholder) -> None:
    """Building imports the class, and from then on the registry holds it."""
    assert METRICS.get('ClasswiseAccuracy') is placeholder
    built = METRICS.build({'type': 'ClasswiseAccuracy'})
    assert type(built) is bgremoval_mm.ClasswiseAccuracy
    assert METRICS.get('ClasswiseAccuracy') is bgremoval_mm.ClasswiseAccuracy


def test_placeholder_acts_like_the_class(placeholder: _Placeholder) -> None:
    """Who takes it for the class out of the registry can look at it, derive from it and ask it."""
    real = bgremoval_mm.ClasswiseAccuracy
    assert (placeholder.__name__, placeholder.__module__) == (real.__name__, real.__module__)
    assert placeholder.default_prefix is real.default_prefix
    derived = type(real)('Derived', (real,), {})
    assert issubclass(derived, placeholder)  # type: ignore[arg-type]
    assert isinstance(derived(), placeholder)  # type: ignore[arg-type]
    assert not isinstance(1, placeholder)  # type: ignore[arg-type]

    class Own(placeholder):  # type: ignore[misc]
        """One of a user's."""

    assert Own.__mro__[1] is real


def test_placeholder_is_pickled_by_what_it_stands_for(placeholder: _Placeholder) -> None:
    """A config that holds one reaches a worker process."""
    assert type(pickle.loads(pickle.dumps(placeholder))()) is bgremoval_mm.ClasswiseAccuracy
    assert repr(placeholder) == (
        '<bgremoval_mm.evaluation.metrics.classwise_accuracy.ClasswiseAccuracy, not imported yet>'
    )


def test_registering_again_changes_nothing(placeholder: _Placeholder) -> None:
    """Neither a placeholder nor a class is replaced by a second registration."""
    lazy_register(CLASSES.values())
    assert METRICS.get('ClasswiseAccuracy') is placeholder
    METRICS.build({'type': 'ClasswiseAccuracy'})
    lazy_register(CLASSES.values())
    assert METRICS.get('ClasswiseAccuracy') is bgremoval_mm.ClasswiseAccuracy


def test_a_name_that_is_taken() -> None:
    """Registering a class under a name of another one is refused."""
    import mmengine.hooks  # noqa: F401  # registers CheckpointHook

    with pytest.raises(KeyError, match='CheckpointHook is already registered in hook'):
        lazy_register([RegisteredClass('HOOKS', 'CheckpointHook', 'bgremoval_mm.engine.hooks')])


def test_registries_are_mmengines() -> None:
    """The names of ``bgremoval_mm.registry`` are the root registries themselves."""
    from bgremoval_mm import registry

    assert (registry.DATASETS, registry.HOOKS) == (DATASETS, HOOKS)
    assert (registry.METRICS, registry.TRANSFORMS) == (METRICS, TRANSFORMS)
    assert DefaultScope is not None
    with pytest.raises(AttributeError, match="has no attribute 'VISUALIZERS'"):
        registry.VISUALIZERS  # noqa: B018


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Full names that a module imports, and whether it does so when it is itself imported."""
    package = path.relative_to(ROOT).parent.parts
    tree = ast.parse(path.read_text(encoding='utf-8'))
    inside = {id(n) for f in ast.walk(tree) if _is_deferred(f) for n in ast.walk(f)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join([*package[: len(package) + 1 - node.level], node.module or '']).strip(
                '.'
            )
            module = base if node.level else str(node.module)
            names = [f'{module}.{alias.name}' for alias in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) not in inside


def _is_deferred(node: ast.AST) -> bool:
    """Whether what stands in a node is not executed by the import of its module."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == 'TYPE_CHECKING'
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def modules_below(folder: str) -> list[str]:
    """Paths of the modules in a folder of the package."""
    return sorted(str(path.relative_to(ROOT)) for path in (PACKAGE / folder).rglob('*.py'))


TORCH_IS_ALLOWED = {
    'bgremoval_mm/removal/networks/u2net.py',
    'bgremoval_mm/removal/networks/u2net_export.py',
    'bgremoval_mm/removal/networks/u2net_onnx.py',
    'bgremoval_mm/removal/backends/torch_native.py',
}


@pytest.mark.parametrize('module', modules_below('removal'))
def test_boundary_of_the_engine(module: str) -> None:
    """The engine imports nothing of OpenMMLab or of the plugin, and torch in four modules."""
    names = {name for name, _ in imports_of(ROOT / module)}
    assert not {name for name in names if name.partition('.')[0] in OPENMMLAB}
    below = ('bgremoval_mm.removal.', 'bgremoval_mm.utils.')
    ours = {name for name in names if name.partition('.')[0] == 'bgremoval_mm'}
    assert not {name for name in ours if not f'{name}.'.startswith(below)}
    if module not in TORCH_IS_ALLOWED:
        assert not {name for name in names if name.partition('.')[0] in ('torch', 'torchvision')}


# What `bgremoval COMMAND --help` must not load. Commands that may, as they are imported when run:
HEAVY_COMMANDS = {'bgremoval_mm/cli/bench.py'}


@pytest.mark.parametrize('module', sorted(set(modules_below('cli')) - HEAVY_COMMANDS))
def test_commands_are_light(module: str) -> None:
    """No module of the command line loads a library as it is imported, so ``--help`` is quick."""
    at_once = {name for name, now in imports_of(ROOT / module) if now}
    assert not {name for name in at_once if name.partition('.')[0] in HEAVY}


def test_command_line_loads_nothing_heavy() -> None:
    """Nor does the whole of it, with all that its modules import in turn."""
    assert python(f'import bgremoval_mm.cli.main; {LOADED.format(heavy=set(HEAVY))}') == ''


# Each may import what stands before it, and nothing of its own line or below.
LAYERS = [
    ['utils'],
    ['removal'],
    ['compat', 'moved', 'pretrained', 'registry', 'version'],
    ['datasets', 'evaluation', 'models'],
    ['engine'],
    ['search', 'visualization'],
    ['analysis', 'pipeline'],
    ['monitoring', 'serving'],
    ['reviewing'],
    ['cli', 'demo', 'experiments'],
]
# The floors inside the engine.
REMOVAL_LAYERS = [
    ['errors'],
    ['zoo'],
    ['options'],
    ['images'],
    ['masks', 'networks'],
    ['io'],
    ['backends', 'outputs'],
    ['remover'],
    ['jobs', 'pairs'],
    ['review'],
]
PAPERS = 'bgremoval_mm.experiments.papers.'


def arrows(folder: Path, layers: list[list[str]]) -> Iterator[tuple[str, str]]:
    """Imports between the parts of a package that do not point to a layer above."""
    package = '.'.join(folder.relative_to(ROOT).parts)
    floors = {name: floor for floor, names in enumerate(layers) for name in names}
    for path in sorted(folder.rglob('*.py')):
        own = path.relative_to(folder).parts[0].removesuffix('.py')
        if own == '__init__':  # the package's own front door
            continue
        for name, _ in imports_of(path):
            if not name.startswith(f'{package}.'):
                continue
            other = name.removeprefix(f'{package}.').partition('.')[0]
            if other in floors and other != own and floors[other] >= floors[own]:
                yield str(path.relative_to(ROOT)), name


def test_imports_point_one_way() -> None:
    """No part of the package imports one beside or above it, also not later, in a function."""
    names = {path.stem for path in PACKAGE.iterdir() if path.stem[0] not in '_.'}
    assert names - {'py'} == {name for layer in LAYERS for name in layer}
    assert list(arrows(PACKAGE, LAYERS)) == []


def test_imports_of_the_engine_point_one_way() -> None:
    """The same between the parts of the engine."""
    assert list(arrows(PACKAGE / 'removal', REMOVAL_LAYERS)) == []


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
@pytest.mark.parametrize('old', RENAMED)
def test_old_names_lead_to_the_new_ones(old: str) -> None:
    """A documented name of a moved module is kept where it has another name now."""
    module = importlib.import_module(old)
    for name, new in RENAMED[old].items():
        home, _, last = new.rpartition('.')
        assert getattr(module, name) is getattr(importlib.import_module(home), last)


@pytest.mark.parametrize('old', MOVED)
def test_old_paths_lead_to_the_new_modules(old: str) -> None:
    """What was documented once can still be imported, with a warning that names the new path."""
    code = (
        'import importlib, warnings\n'
        'import bgremoval_mm\n'
        'with warnings.catch_warnings(record=True) as caught:\n'
        '    warnings.simplefilter("always")\n'
        f'    old = importlib.import_module({old!r})\n'
        f'new = importlib.import_module({MOVED[old]!r})\n'
        'public = [name for name in dir(new) if name[0] != "_"]\n'
        'assert public and all(getattr(old, name) is getattr(new, name) for name in public)\n'
        'print(*[each.message for each in caught], sep="\\n")\n'
    )
    assert python(code).splitlines()[-1] == f'{old} has moved: import {MOVED[old]} instead'
