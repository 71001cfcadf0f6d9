"""Fixtures shared by all tests: real photographs, real weights, tiny models."""

from __future__ import annotations

import gc
import json
import runpy
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from time import localtime, strftime, time
from types import SimpleNamespace
from typing import Any
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import CATALOGUE, ModelSpec, find_weights, release_sessions
from tests.browser import Browser

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin a shared run with the files of slow tests, so that quick ones fill its end."""
    if hasattr(config, 'workerinput'):
        slow = {item.path for item in items if item.get_closest_marker('slow')}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope='session', autouse=True)
def interrupts_reach_children() -> None:
    """Have child processes obey Ctrl-C, also where the tests run in a shell's background.

    There, and under nohup, SIGINT is ignored, and whoever is started inherits that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope='session')
def repository() -> Path:
    """Root of the repository."""
    return REPOSITORY


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    """Headless Chromium; skips without it."""
    program = shutil.which('chromium') or shutil.which('google-chrome')
    if program is None:
        pytest.skip('needs a browser: apt-get install chromium')
    return Browser(program, tmp_path / 'profile')


@pytest.fixture(scope='session')
def photos() -> list[Path]:
    """Twelve real photographs of varying size, from CCP and Clothing10; skips without them."""
    ccp = sorted((REPOSITORY / 'data/ccp/photos').glob('*.jpg'))[::134][:6]
    clothing = sorted((REPOSITORY / 'data/clothing10/test').glob('*/*.jpg'))[::62][:6]
    if len(ccp) + len(clothing) < 12:
        pytest.skip('needs real photographs: link data/ccp and data/clothing10')
    return ccp + clothing


@pytest.fixture(params=['u2netp', 'u2net'])
def real_model(request: pytest.FixtureRequest) -> str:
    """Name of a model whose weights are here; skips without them."""
    if find_weights(request.param) is None:
        pytest.skip(f'needs weights: python tools/download_weights.py {request.param}')
    return request.param


@pytest.fixture
def u2netp() -> str:
    """The small model's name; skips without its weights."""
    if find_weights('u2netp') is None:
        pytest.skip('needs weights: python tools/download_weights.py u2netp')
    return 'u2netp'


@pytest.fixture
def tiny_model(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """A function that makes tiny weights of a catalogue model's interface and its ModelSpec.

    The graph computes channel means of its input (see `make_tiny_onnx`); it is put into a
    folder that U2NET_HOME names, under the model's own file name.
    """
    import hashlib

    home = tmp_path_factory.mktemp('weights')
    monkeypatch.setenv('U2NET_HOME', str(home))

    def make(name: str = 'u2netp', size: int = 8, channels: int = 1) -> ModelSpec:
        content = make_tiny_onnx(size, channels)
        spec = replace(
            CATALOGUE[name], size=size, hash='sha256:' + hashlib.sha256(content).hexdigest()
        )
        (home / spec.file).write_bytes(content)
        monkeypatch.setitem(CATALOGUE, name, spec)
        return spec

    yield make
    release_sessions()


def make_tiny_onnx(size: int, channels: int) -> bytes:
    """An ONNX graph of U2-Net's interface: fixed batch of 1, several outputs.

    Output k is (k + 1) times the input's channel sum; output 0 has `channels` channels,
    channel c being the channel sum times (c + 1).
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.ones((channels, 3, 1, 1), np.float32)
    weights *= np.arange(1, channels + 1, dtype=np.float32).reshape(-1, 1, 1, 1)
    nodes = [
        helper.make_node('Conv', ['image', 'w'], ['d0']),
        helper.make_node('Mul', ['d0', 'two'], ['d1']),
    ]
    graph = helper.make_graph(
        nodes,
        'tiny',
        [helper.make_tensor_value_info('image', TensorProto.FLOAT, [1, 3, size, size])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, size, size])
            for name in ('d0', 'd1')
        ],
        [
            numpy_helper.from_array(weights, 'w'),
            numpy_helper.from_array(np.float32([2]), 'two'),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 11)], ir_version=6)
    onnx.checker.check_model(model)
    return model.SerializeToString()


@pytest.fixture
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """A function that writes a model's file: a tiny graph (see `make_tiny_onnx`), with a card.

    The card is that of an unknown network of 8 x 8 pixels; `card` changes it. Other weights have
    another `scale`.
    """
    import onnx

    from bgremoval_mm.removal.zoo.card import ModelCard

    folder = tmp_path_factory.mktemp('models')

    def make(
        name: str = 'mine',
        card: dict[str, Any] | None = None,
        size: int = 8,
        scale: float = 1.0,
        has_card: bool = True,
    ) -> Path:
        model = onnx.load_model_from_string(make_tiny_onnx(size, 1))
        weights = model.graph.initializer[0]
        values = onnx.numpy_helper.to_array(weights) * np.float32(scale)
        weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))
        if has_card:
            usual = {'architecture': '', 'size': size, 'mean': (0.0,) * 3, 'std': (1.0,) * 3}
            made = ModelCard(**({'name': name} | usual | (card or {})))
            onnx.helper.set_model_props(model, made.to_properties())
        path = folder / f'{name}.onnx'
        path.write_bytes(model.SerializeToString())
        return path

    yield make
    release_sessions()


@pytest.fixture
def picture():
    """A function that makes a picture with a bright square in it: uint8 (H, W, 3), RGB."""

    def make(width: int = 24, height: int = 16, seed: int = 0) -> np.ndarray:
        pixels = np.random.default_rng(seed).integers(0, 90, (height, width, 3), np.uint8)
        pixels[height // 4 : -height // 4, width // 4 : -width // 4] += 150
        return pixels

    return make


@pytest.fixture
def image_tree(tmp_path: Path, picture) -> Path:
    """A folder of six small JPEG and PNG files in two class folders."""
    root = tmp_path / 'images'
    for index in range(6):
        folder = root / ('dress' if index % 2 else 'hat')
        folder.mkdir(parents=True, exist_ok=True)
        suffix = '.png' if index >= 4 else '.jpg'
        Image.fromarray(picture(20 + index, 14, index)).save(folder / f'{index}{suffix}')
    return root


def write_photo(path: Path, seed: int) -> None:
    """Write a JPEG of 40 x 40 pixels, whatever the suffix: a bright square before a colour."""
    rng = np.random.default_rng(seed)
    pixels = np.full((40, 40, 3), rng.integers(0, 90, 3), np.uint8)
    pixels[10:-10, 10:-10] += rng.integers(60, 160, 3).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, 'JPEG')


@pytest.fixture
def clothing10_root(tmp_path: Path) -> Path:
    """A tiny copy of Clothing10: 3, 2 and 2 photos of each class, and files that are none."""
    from bgremoval_mm.datasets.clothing10 import CLASSES

    root = tmp_path / 'clothing10'
    for folder, count in (('train', 3), ('validation', 2), ('test', 2)):
        for label, name in enumerate(CLASSES):
            for index in range(count):
                write_photo(root / folder / name / f'{folder} {index}.jpg', 10 * label + index)
    (root / 'LICENSE').write_text('CC0')
    (root / 'README.md').write_text('# Clothing dataset (subset)\n')
    (root / 'train' / 'hat' / 'notes.txt').write_text('no photo')
    return root


@pytest.fixture
def fashionstyle14_root(tmp_path: Path) -> Path:
    """A tiny copy of FashionStyle14: 7, 1 and 4 photos of each class, with names as it has them.

    Of each class, one training photo has no suffix and spaces, one a comma, and one a Japanese name
    that is decomposed (NFD) on disk and composed (NFC) in the list.
    """
    from bgremoval_mm.datasets.fashionstyle14 import CLASSES

    root = tmp_path / 'FashionStyle14_v1'
    special = ('mig (5)', 'a, b.jpg', 'ESS-209 のコピー グ.jpg')
    plain = {'train': 4, 'val': 1, 'test': 4}
    for subset, count in plain.items():
        names = [f'{subset} {index}.jpeg' for index in range(count)]
        names += special if subset == 'train' else ()
        lines = [f'dataset/{label}/{name}' for label in CLASSES for name in names]
        for seed, line in enumerate(lines):
            write_photo(root / normalize('NFD', line), seed)
        text = ''.join(normalize('NFC', line) + '\n' for line in lines)
        (root / f'{subset}.csv').write_text(text, encoding='utf-8')
    return root


@pytest.fixture(scope='session', autouse=True)
def mmengine_is_quick() -> None:
    """Spare what takes mmengine most of its time in tests, and changes no result.

    It parses a codebase's 85 metafiles for every `::` base of a config, a Runner formats its config
    with yapf five times, and every dataset that is loaded has all objects of the process searched
    for garbage.
    """
    gc.freeze()  # the modules that pytest has imported hold none
    if find_spec('mmengine') is not None:
        from mmengine.config import config, utils
        from mmengine.dataset import base_dataset

        utils.load = lru_cache(maxsize=None)(utils.load)
        config.FormatCode = lambda text, **_: (text, True)
        base_dataset.gc = SimpleNamespace(collect=lambda: 0)


@pytest.fixture
def no_initialisation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers keep the memory as it is: building a VGG is a matter of milliseconds."""
    import torch

    for layer in (torch.nn.Linear, torch.nn.modules.conv._ConvNd):
        monkeypatch.setattr(layer, 'reset_parameters', lambda _self: None)


@pytest.fixture
def upstream_config() -> Callable[..., Any]:
    """A function that loads a config of an installed codebase by its path below `configs`."""
    from mmengine.config import Config

    def load(name: str, codebase: str = 'mmpretrain') -> Any:
        package = pytest.importorskip(codebase)
        return Config.fromfile(Path(package.__file__).parent / '.mim' / 'configs' / name)

    return load


@pytest.fixture
def ccp_root(tmp_path: Path, picture) -> Path:
    """Clothing Co-Parsing in small: ten photographs, nine with label maps of labels 1, 5 and 58."""
    scipy_io = pytest.importorskip('scipy.io')
    from bgremoval_mm.datasets.formats.categories import CCP_CLASSES

    root = tmp_path / 'data' / 'ccp'
    (root / 'photos').mkdir(parents=True)
    (root / 'annotations' / 'pixel-level').mkdir(parents=True)
    for index in range(1, 11):
        Image.fromarray(picture(40, 30, index)).save(root / 'photos' / f'{index:04}.jpg')
        labels = np.zeros((30, 40), np.uint8)
        labels[5:25, 5:30] = 5
        labels[8:12, 8 + index : 14 + index] = 58
        labels[20:23, 30:38] = 1
        if index < 10:
            file = root / 'annotations' / 'pixel-level' / f'{index:04}.mat'
            scipy_io.savemat(file, {'groundtruth': labels})
    names = np.array(['null', *CCP_CLASSES], object)[None]
    scipy_io.savemat(root / 'label_list.mat', {'label_list': names})
    return root


@pytest.fixture
def prepared_ccp(ccp_root: Path) -> Path:
    """The small CCP, prepared: label maps and annotations are beside it."""
    from bgremoval_mm.datasets.formats.categories import prepared_folder
    from bgremoval_mm.datasets.prepare import ccp
    from bgremoval_mm.datasets.prepare.check_report import CheckReport

    ccp.prepare(ccp_root, prepared_folder(ccp_root), CheckReport('CCP', ''), 1, progress=False)
    return ccp_root


@pytest.fixture
def fashionpedia_root(tmp_path: Path, picture) -> Path:
    """Fashionpedia in small: four photographs train, three validate, of five in ``test/``.

    Each has a coat (polygon) with a pocket (compressed RLE) on it, and a crowd of beads (plain
    RLE).
    """
    coco = pytest.importorskip('pycocotools.mask')
    from bgremoval_mm.datasets.formats.categories import FASHIONPEDIA_CLASSES

    root = tmp_path / 'data' / 'fashionpedia'
    for subset, folder, annotated, total in (('train', 'train', 4, 4), ('val', 'test', 3, 5)):
        (root / folder).mkdir(parents=True)
        images, annotations = [], []
        for index in range(total):
            name = f'{subset}{index}.jpg'
            Image.fromarray(picture(40, 30, index)).save(root / folder / name)
            if index >= annotated:
                continue
            images.append({'id': index, 'file_name': name, 'width': 40, 'height': 30})
            pocket = np.zeros((30, 40), np.uint8, order='F')
            pocket[10:14, 12 + index : 18] = 1
            code = coco.encode(pocket)
            code = {'size': code['size'], 'counts': code['counts'].decode()}
            beads = {'size': [30, 40], 'counts': [30 * 35 + 10, 10, 20, 10, 30 * 3 + 10]}
            first = len(annotations) + 1
            for offset, (category, area, box, segmentation) in enumerate(
                (
                    (32, 4 * (6 - index), [12 + index, 10, 6 - index, 4], code),
                    (9, 400, [8, 5, 20, 20], [[8, 5, 28, 5, 28, 25, 8, 25]]),
                    (37, 20, [35, 10, 2, 10], beads),
                )
            ):
                annotations.append({
                    'id': first + offset, 'image_id': index, 'category_id': category, 'area': area,
                    'bbox': box, 'segmentation': segmentation, 'iscrowd': int(category == 37),
                    'attribute_ids': [340],
                })  # fmt: skip
        content = {
            'images': images,
            'annotations': annotations,
            'categories': [
                {'id': index, 'name': name, 'level': 1 + (index > 26)}
                for index, name in enumerate(FASHIONPEDIA_CLASSES)
            ],
            'attributes': [{'id': 340, 'name': 'plain'}],
        }
        file = root / 'annotations' / f'instances_attributes_{subset}2020.json'
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
    return root


def seconds() -> Iterator[int]:
    """Yield the time in seconds, and none twice."""
    last = 0
    while True:
        last = max(last + 1, int(time()))
        yield last


SECONDS = seconds()


@pytest.fixture
def run_tool(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that runs a script in this process, which has imported the codebases.

    It takes the name of a tool of this repository, or a script's path, and the arguments.
    """
    from mmengine.registry import DefaultScope
    from mmengine.visualization import Visualizer

    # A Runner leaves its default scope behind, which would change how later tests find classes.
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())

    # A Runner is named after the second it was made in; two of one name share loggers and messages.
    clock = SimpleNamespace(time=lambda: next(SECONDS), strftime=strftime, localtime=localtime)
    monkeypatch.setattr('mmengine.runner.runner.time', clock)

    def run(tool: str | Path, *arguments: str) -> None:
        script = tool if isinstance(tool, Path) else REPOSITORY / 'tools' / f'{tool}.py'
        monkeypatch.setattr(sys, 'argv', [script.name, *arguments])
        monkeypatch.setenv('LOCAL_RANK', '0')
        # Visualizers are kept by name, and would write into the folder of the run that made them.
        kinds = [Visualizer]
        for kind in kinds:
            kind._instance_dict.clear()
            kinds.extend(kind.__subclasses__())
        runpy.run_path(str(script), run_name='__main__')

    return run


@pytest.fixture
def masked_photos(tmp_path: Path) -> Path:
    """A folder with ``photos/test`` of two classes, four photos each, and their ``masks``.

    The red channel of a photo is its mask: a square with a soft edge, elsewhere in each photo.
    """
    from bgremoval_mm.removal import MaskStore, read_image

    store = MaskStore(tmp_path / 'masks', 'u2net')
    for number in range(8):
        name = f'test/{"shoe" if number % 2 else "hat"}/{number}.png'
        mask = np.zeros((32, 48), np.uint8)
        left = 3 * number
        mask[4:24, left : left + 12] = 120
        mask[8:20, left + 4 : left + 8] = 255
        path = tmp_path / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.dstack([mask, np.full_like(mask, 20 * number), 255 - mask])).save(path)
        store.put(name, read_image(path), mask, constant=False)
    return tmp_path


def _photos(root: Path, names: Iterable[str], colour: str = 'green') -> None:
    """Photos of a few pixels."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', (16, 16), colour).save(path)


def _counted_list(path: Path, header: str, rows: list[str]) -> None:
    """A list as DeepFashion has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join([str(len(rows)), header, *rows]) + '\n')


@pytest.fixture
def deepfashion_category(tmp_path: Path) -> Path:
    """Five categories, two of which belong to Dress, with a photo of each in each subset."""
    root = tmp_path / 'category'
    names = ('Tee', 'Jeans', 'Dress', 'Sundress', 'Cape')
    _counted_list(
        root / 'Anno_coarse/list_category_cloth.txt',
        'category_name  category_type',
        [f'{name:<20}{kind}' for name, kind in zip(names, '12333', strict=True)],
    )
    labels, parts = [], []
    for number, name in enumerate(names, 1):
        for index, part in enumerate(('train', 'val', 'test')):
            path = f'img/Long_Sleeve_{name}/img_0000000{index}.jpg'
            labels.append(f'{path}    {number}')
            parts.append(f'{path}  {part}')
    _counted_list(root / 'Anno_coarse/list_category_img.txt', 'image_name  category_label', labels)
    _counted_list(
        root / 'Eval/list_eval_partition.txt', 'image_name  evaluation_status', parts[::-1]
    )
    _photos(root / 'Img', [label.split()[0] for label in labels])
    return root


@pytest.fixture
def deepfashion_inshop(tmp_path: Path) -> Path:
    """Two items for training, and two with a query and two photos in the gallery each."""
    root, rows = tmp_path / 'inshop', []
    for number in range(1, 5):
        group = 'WOMEN/Dresses' if number % 2 else 'MEN/Pants'
        roles = ('train',) * 3 if number < 3 else ('query', 'gallery', 'gallery')
        for view, role in zip(('1_front', '2_side', '4_full'), roles, strict=True):
            item = f'id_0000000{number}'
            rows.append(f'img/{group}/{item}/01_{view}.jpg {item} {role}')
    header = 'image_name item_id evaluation_status'
    _counted_list(root / 'Eval/list_eval_partition.txt', header, rows)
    _photos(root / 'Img', [row.split()[0] for row in rows])
    return root


@pytest.fixture
def deepfashion_consumer2shop(tmp_path: Path) -> Path:
    """An item for training, one for validation and one for test; each pair of its photos."""
    root, rows = tmp_path / 'consumer2shop', []
    for number, (group, split) in enumerate(
        (('TOPS/T_Shirt', 'train'), ('DRESSES/Lace_Dress', 'val'), ('TOPS/Blouse', 'test')), 1
    ):
        folder = f'img/{group}/id_0000000{number}'
        rows += [
            f'{folder}/comsumer_0{one}.jpg {folder}/shop_0{two}.jpg id_0000000{number} {split}'
            for one in (1, 2)
            for two in (1, 2)
        ]
    header = 'image_pair_name_1 image_pair_name_2 item_id evaluation_status'
    _counted_list(root / 'Eval/list_eval_partition.txt', header, rows)
    _photos(root / 'Img', [name for row in rows for name in row.split()[:2]])
    return root


@pytest.fixture
def luma_items(tmp_path: Path) -> Path:
    """A catalogue of 12 products in two colours, with folds; the first colour has two views."""
    root = tmp_path / 'luma'
    lines = ['file,item_id,category,colour,view,fold,val']
    for number in range(12):
        category = ('Jackets', 'Tees')[number % 2]
        fold, val = number // 2 % 3, int(number > 9)
        for colour, view in (('red', 'main'), ('red', 'back'), ('blue', 'main')):
            path = f'images/{number:02}-{colour}_{view}.png'
            lines.append(f'{path},p{number:02},{category},{colour},{view},{fold},{val}')
    _photos(root, [line.partition(',')[0] for line in lines[1:]])
    (root / 'products.csv').write_text('\n'.join(lines) + '\n')
    return root


@pytest.fixture
def grocery_items(tmp_path: Path) -> Path:
    """Two photos of each of 17 products, one in the authors' folder for test."""
    root = tmp_path / 'groceries'
    lines = ['Class Name (str),Class ID (int),Coarse Class Name (str)']
    for number in range(17):
        lines.append(f'Fruit-{number},{number},{("Apple", "Pear", "Melon")[number % 3]}')
        _photos(
            root / 'natural',
            [f'{part}/Fruit/Fruit-{number}/{number}_001.jpg' for part in ('train', 'test')],
        )
    (root / 'natural/val').mkdir()
    (root / 'classes.csv').write_text('\n'.join(lines))
    return root
