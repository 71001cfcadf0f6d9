"""Build of `.mim`, where `mim` looks for configs and tools; all else is in pyproject.toml."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).resolve().parent
PACKAGE = 'bgremoval_mm'
# What a package must carry for `mim train|test|search|download PACKAGE`.
MIM_PARTS = ('configs', 'tools', 'model-index.yml')


class BuildPy(build_py):
    """Adds `.mim` to a normal build: straight into the build folder, so the sources stay clean."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        mim = Path(self.build_lib, PACKAGE, '.mim')
        shutil.rmtree(mim, ignore_errors=True)  # what an earlier build left
        mim.mkdir(parents=True)
        for part in MIM_PARTS:
            source = ROOT / part
            if source.is_dir():
                ignored = shutil.ignore_patterns('__pycache__', '*.pyc', '.*')
                shutil.copytree(source, mim / part, ignore=ignored)
            else:
                shutil.copy2(source, mim / part)


class EditableWheel(editable_wheel):
    """Makes `mim` work from an editable install, too.

    Two things are needed: `.mim` beside the sources, as links, and a way to it. openmim (and
    mmengine) take `join(<folder of the metadata>, <first line of top_level.txt>)` for a package's
    folder. In an editable install (PEP 660) that is a path in site-packages which does not exist.
    An absolute path in that line wins the join, and so leads to the sources.
    """

    def run(self) -> None:
        mim = ROOT / PACKAGE / '.mim'
        if mim.is_dir() and not mim.is_symlink():
            shutil.rmtree(mim)  # removes the links of an earlier install, not what they point to
        else:
            mim.unlink(missing_ok=True)
        mim.mkdir()
        for part in MIM_PARTS:
            (mim / part).symlink_to(Path('..', '..', part))
        super().run()

    def _create_wheel_file(self, bdist_wheel: Any) -> Any:
        top_level = Path(self.dist_info_dir, 'top_level.txt')
        top_level.write_text(f'{ROOT / PACKAGE}\n{PACKAGE}\n', encoding='utf-8')
        return super()._create_wheel_file(bdist_wheel)


setup(cmdclass={'build_py': BuildPy, 'editable_wheel': EditableWheel})
