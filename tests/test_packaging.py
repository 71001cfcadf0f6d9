"""What a wheel, an sdist and an editable install carry, and what the extras and constraints say."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SHIPPED = ('bgremoval_mm', 'configs', 'tools')
FILES = ('setup.py', 'pyproject.toml', 'MANIFEST.in', 'LICENSE', 'README.md', 'model-index.yml')
FLAVOURS = {'onnxruntime', 'onnxruntime-gpu'}
# Shell scripts, and whether they are run; the others are sourced.
STARTERS = {f'{kind}_{what}.sh': True for kind in ('dist', 'slurm') for what in ('train', 'test')}
STARTERS['launch.sh'] = False
ignore_caches = shutil.ignore_patterns('__pycache__', '.mim')


def backend(source: Path, call: str) -> None:
    """Calls the build backend as pip does, in the folder of the sources."""
    code = f'from setuptools import build_meta; print(build_meta.{call})'
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def shipped_files(repository: Path) -> set[str]:
    """What `.mim` must hold: everything that git would take from configs/ and tools/."""
    files = [path for part in ('configs', 'tools') for path in (repository / part).rglob('*')]
    kept = [path for path in files if path.is_file() and '__pycache__' not in path.parts]
    return {str(path.relative_to(repository)) for path in kept} | {'model-index.yml'}


def starters(wheel: Path) -> dict[str, bool]:
    """The shell scripts in a wheel, and whether pip will make them executable."""
    parts = [part for part in zipfile.ZipFile(wheel).infolist() if part.filename.endswith('.sh')]
    return {Path(part.filename).name: bool(part.external_attr >> 16 & 0o111) for part in parts}


def in_wheel(wheel: Path) -> set[str]:
    """Files of `.mim` inside a wheel."""
    prefix = 'bgremoval_mm/.mim/'
    names = zipfile.ZipFile(wheel).namelist()
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def copy_sources(repository: Path, copy: Path) -> Path:
    """Copy the sources, so that no build writes into the repository."""
    for part in SHIPPED:
        shutil.copytree(repository / part, copy / part, ignore=ignore_caches)
    for name in FILES:
        shutil.copy2(repository / name, copy / name)
    return copy


@pytest.fixture
def source(repository: Path, tmp_path: Path) -> Path:
    """Return a copy of the sources of this test's own."""
    return copy_sources(repository, tmp_path / 'source')


def test_wheel_carries_mim(source: Path, tmp_path: Path) -> None:
    """A wheel holds configs, tools and the model index in `.mim`, and the sources stay clean."""
    backend(source, f'build_wheel({str(tmp_path)!r})')
    (wheel,) = tmp_path.glob('*.whl')
    assert in_wheel(wheel) == shipped_files(source)
    assert 'tools/train.py' in in_wheel(wheel)
    for template in (
        'serving/templates/page.html',
        'serving/templates/shared.css',
        'reviewing/templates/painter.js',
    ):
        assert f'bgremoval_mm/{template}' in zipfile.ZipFile(wheel).namelist()
    assert starters(wheel) == STARTERS
    assert not (source / 'bgremoval_mm' / '.mim').exists()


def test_wheel_does_not_keep_what_is_gone(source: Path, tmp_path: Path) -> None:
    """A second build in the same folder drops a config that was deleted in between."""
    gone = source / 'configs' / 'gone.py'
    gone.write_text('x = 1\n')
    backend(source, f'build_wheel({str(tmp_path / "one")!r})')
    gone.unlink()
    backend(source, f'build_wheel({str(tmp_path / "two")!r})')
    (first,) = (tmp_path / 'one').glob('*.whl')
    (second,) = (tmp_path / 'two').glob('*.whl')
    assert 'configs/gone.py' in in_wheel(first)
    assert in_wheel(second) == in_wheel(first) - {'configs/gone.py'}


def test_wheel_from_sdist_carries_mim(source: Path, tmp_path: Path) -> None:
    """The way over an sdist, as a package index offers it, loses nothing."""
    backend(source, f'build_editable({str(tmp_path / "editable")!r})')  # leaves links behind
    backend(source, f'build_sdist({str(tmp_path)!r})')
    (sdist,) = tmp_path.glob('*.tar.gz')
    with tarfile.open(sdist) as archive:
        assert not [name for name in archive.getnames() if '/.mim' in name]
        archive.extractall(tmp_path / 'unpacked', filter='data')
    (unpacked,) = (tmp_path / 'unpacked').iterdir()
    backend(unpacked, f'build_wheel({str(tmp_path)!r})')
    (wheel,) = tmp_path.glob('*.whl')
    assert in_wheel(wheel) == shipped_files(source)
    assert starters(wheel) == STARTERS


def test_editable_install_leads_mim_to_the_sources(source: Path, tmp_path: Path) -> None:
    """mmengine (and openmim, by the same rule) finds `.mim` of an editable install."""
    site = tmp_path / 'site'
    stale = source / 'bgremoval_mm' / '.mim' / 'configs'
    stale.mkdir(parents=True)
    (stale / 'old.py').write_text('x = 1\n')
    for _ in range(2):  # again over the links of the first time
        backend(source, f'build_editable({str(tmp_path)!r})')
    (wheel,) = tmp_path.glob('*.whl')
    zipfile.ZipFile(wheel).extractall(site)
    code = 'from mmengine.utils import get_installed_path as g; print(g("bgremoval_mm"))'
    found = subprocess.run(
        [
            sys.executable,
            '-W',
            'ignore',
            '-c',
            f'import sys; sys.path.insert(0, {str(site)!r}); {code}',
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout.strip() == str(source / 'bgremoval_mm'), found.stderr
    mim = source / 'bgremoval_mm' / '.mim'
    assert (mim / 'tools' / 'train.py').samefile(source / 'tools' / 'train.py')
    assert (mim / 'model-index.yml').samefile(source / 'model-index.yml')
    assert not (mim / 'configs' / 'old.py').exists()


def test_help_of_train_does_not_name_gpus(repository: Path) -> None:
    """`mim train` adds options that do not exist if the help text names the old `--gpus`."""
    command = [sys.executable, repository / 'tools' / 'train.py', '-h']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '--gpus' not in done.stdout
    assert '--launcher' in done.stdout


@pytest.fixture(scope='module')
def requirements(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Requirement]]:
    """Requirements by extra ('' for those without one) and name, from the built metadata."""
    folder = tmp_path_factory.mktemp('metadata')
    source = copy_sources(repository, folder / 'source')
    backend(source, f'prepare_metadata_for_build_wheel({str(folder)!r})')
    (metadata,) = folder.glob('*.dist-info/METADATA')
    headers = Parser().parsestr(metadata.read_text())
    lines = [Requirement(line) for line in headers.get_all('Requires-Dist', [])]

    def required(extra: str) -> dict[str, Requirement]:
        found = {}
        for requirement in lines:
            marker = requirement.marker
            if marker is None if extra == '' else marker and marker.evaluate({'extra': extra}):
                if requirement.name == 'bgremoval_mm':  # an extra made of others
                    for part in requirement.extras:
                        found |= required(part)
                else:
                    found[canonicalize_name(requirement.name)] = requirement
        return found

    return {extra: required(extra) for extra in ('', *headers.get_all('Provides-Extra', []))}


@pytest.fixture(scope='module')
def pins(repository: Path) -> dict[str, str]:
    """Versions of constraints.txt by name; there are no local tags, no ranges, no doubles."""
    lines = (repository / 'constraints.txt').read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith('#')]
    assert all(re.fullmatch(r'[\w.-]+==[\w.]+', line) for line in lines)
    versions = dict(line.split('==') for line in lines)
    assert len(versions) == len(lines)
    return {canonicalize_name(name): pin for name, pin in versions.items()}


def test_extras(requirements: dict[str, dict[str, Requirement]]) -> None:
    """One ONNX Runtime an extra, none in `all`, and no OpenMMLab package without an extra."""
    expected = (
        *('openmmlab', 'cls', 'det', 'seg', 'cpu', 'gpu', 'rembg', 'matting', 'openvino', 'ray'),
        *(
            'formats',
            'serve',
            'serve-ray',
            's3',
            'pipeline',
            'monitor',
            'demo',
            'reports',
            'metric',
            'catalogue',
            'all',
            'lint',
            'tests',
            'docs',
        ),
    )
    assert set(requirements) == {'', *expected}
    runtimes = {extra: FLAVOURS & set(names) for extra, names in requirements.items()}
    assert runtimes.pop('cpu') == {'onnxruntime'}
    assert runtimes.pop('gpu') == {'onnxruntime-gpu'}
    assert not any(runtimes.values())
    assert not {name for name in requirements[''] if name.startswith(('mm', 'torch', 'onnx'))}
    for extra, codebase in (('cls', 'mmpretrain'), ('det', 'mmdet'), ('seg', 'mmsegmentation')):
        assert {'torch', 'mmcv', codebase} <= set(requirements[extra])
        assert set(requirements[extra]) <= set(requirements['all'])


def test_constraints(pins: dict[str, str], requirements: dict[str, dict[str, Requirement]]) -> None:
    """Every direct dependency is pinned to one version that its own bounds allow."""
    assert not [name for name in pins if 'headless' in name or name.startswith('nvidia')]
    for names in requirements.values():
        for name, requirement in names.items():
            assert requirement.specifier.contains(pins[name]), name


def test_constraints_are_what_runs_here(pins: dict[str, str]) -> None:
    """The environment of this test run has the pinned versions of what matters most."""
    names = ('torch', 'mmengine', 'mmcv', 'numpy', 'setuptools', 'onnxruntime', 'opencv-python')
    installed = {name: version(name).partition('+')[0] for name in names}
    assert installed == {name: pins[name] for name in names}


def test_hooks_have_the_pinned_versions(repository: Path, pins: dict[str, str]) -> None:
    """pre-commit's public hooks of ruff and codespell are those that `make lint` runs."""
    config = yaml.safe_load((repository / '.pre-commit-config.yaml').read_text())
    hooks = {repo['repo'].rpartition('/')[2]: repo.get('rev') for repo in config['repos']}
    assert hooks['ruff-pre-commit'] == f'v{pins["ruff"]}'
    assert hooks['codespell'] == f'v{pins["codespell"]}'
