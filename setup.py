"""Build of bgremoval_mm: dependencies, extras, and `.mim`, where `mim` looks for configs and tools.

Nothing heavy is imported here: pip reads the requirements before anything is installed.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from setuptools import find_packages, setup
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


def read_version() -> str:
    """The version, read without importing the package."""
    text = (ROOT / PACKAGE / 'version.py').read_text(encoding='utf-8')
    found = re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE)
    if found is None:
        msg = f"{PACKAGE}/version.py must hold a line `__version__ = '1.2.3'`."
        raise ValueError(msg)
    return found.group(1)


# OpenMMLab's packages stand in extras only: the onedl-* forks provide the same modules under other
# names, and must not get the originals on top. mmdet 3.3 and mmsegmentation 1.2 refuse mmcv >= 2.2.
# pkg_resources, which mmengine and mmcv's build import, left setuptools in version 82.
base = [
    'torch>=2.1',
    'torchvision>=0.16',
    'mmengine>=0.10.7',
    'mmcv>=2.0.1,<2.2',
    'rich',
    'setuptools<82',
]
cls = [*base, 'mmpretrain>=1.2']
# pycocotools and scipy: masks, and the files of CCP.
det = [*base, 'mmdet>=3.3', 'pycocotools', 'scipy']
# mmseg imports ftfy and regex without declaring them.
seg = [*base, 'mmsegmentation>=1.2.2', 'ftfy', 'regex', 'pycocotools', 'scipy']
# ONNX Runtime comes in two distributions that write the same files: take one of `cpu` and `gpu`.
cpu = ['onnxruntime>=1.20', 'onnx>=1.17']
gpu = ['onnxruntime-gpu>=1.20', 'onnx>=1.17']
rembg = ['rembg>=2.0.60']
# Faster removal on CPUs; int8 is quantised by NNCF.
openvino = ['openvino>=2024.4', 'nncf>=2.14', 'onnx>=1.17']
# Removal on a cluster, and at addresses like s3://.
ray = ['ray>=2.40', 'pandas', 'pyarrow', 'fsspec']
# Pictures that Pillow alone does not read: HEIC. JPEG XL's plugin is under GPL-3.0: the tests need
# it, but no extra of ours brings it into a user's program.
formats = ['pi-heif>=1.0']
demo = ['matplotlib', 'scikit-image', 'scipy']
# tools/reproduce.py: locks, statistics, tables, charts, pages.
reports = ['filelock', 'jinja2', 'matplotlib', 'pandas', 'pycocotools', 'scipy']
lint = ['ruff', 'mypy', 'codespell', 'pre-commit']
tests = [
    *('pytest>=8', 'pytest-timeout', 'build', 'tensorboard', 'pillow-jxl-plugin>=1.3'),
    *(*lint, *rembg, *openvino, *ray, *formats),
]

setup(
    name=PACKAGE,
    version=read_version(),
    description='Background removal in any mmpretrain, mmdet or mmseg pipeline',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    classifiers=[
        'Development Status :: 4 - Beta',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3.11',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
    packages=find_packages(include=[f'{PACKAGE}*']),
    package_data={PACKAGE: ['py.typed', 'experiments/report/*.j2', 'removal/review/review.html']},
    entry_points={'console_scripts': ['bgremoval = bgremoval_mm.cli.main:run_program']},
    python_requires='>=3.11',
    install_requires=['numpy', 'opencv-python', 'pillow', 'platformdirs', 'pooch', 'tqdm'],
    extras_require={
        'cls': cls,
        'det': det,
        'seg': seg,
        'cpu': cpu,
        'gpu': gpu,
        'rembg': rembg,
        'openvino': openvino,
        'ray': ray,
        'formats': formats,
        'demo': demo,
        'reports': reports,
        'all': sorted({*cls, *det, *seg, *rembg, *formats, *demo, *reports}),
        'tests': tests,
        'docs': ['sphinx>=8', 'myst-parser>=4', 'furo'],
    },
    cmdclass={'build_py': BuildPy, 'editable_wheel': EditableWheel},
    zip_safe=False,
)
