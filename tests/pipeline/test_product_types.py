"""Product types: from a table that changes, and from a classifier that mmpretrain has trained."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.product_types import ProductTypes, TypeOptions, TypeTable
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.pipeline.routes import Gate, Route, Routes, read_routes
from bgremoval_mm.pipeline.sources import receive_bytes
from bgremoval_mm.pipeline.worker import Worker
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.errors import ArgumentError

CONFIG = """
default_scope = 'mmpretrain'
custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='ResNet', depth=18, stem_channels=4, base_channels=4,
        init_cfg=dict(type='Pretrained', checkpoint='https://nowhere.example/weights.pth')),
    neck=dict(type='GlobalAveragePooling'),
    head=dict(type='LinearClsHead', num_classes=2, in_channels=32))
data_preprocessor = dict(mean=[0.0] * 3, std=[255.0] * 3, to_rgb=True)
pipeline = [
    dict(type='LoadImageFromFile'), dict(type='Resize', scale=(32, 32)), dict(type='PackInputs')]
test_dataloader = dict(dataset=dict(type='CustomDataset', data_root='x', pipeline=pipeline))
"""


def unread() -> np.ndarray:
    """Pixels that nobody should ask for."""
    raise AssertionError


def a_type(types: ProductTypes, name: str) -> str:
    """The type of a photo whose pixels do not matter."""
    return types.find(name, unread).name


def test_a_table(tmp_path: Path) -> None:
    """The type is what the column says; a photo that is not listed has none."""
    file = tmp_path / 'products.csv'
    file.write_text('file,sort\na.jpg,shoes\nb/c.jpg, bags\nd.jpg,\n')
    types = TypeTable(file, 'file', 'sort')
    assert [a_type(types, name) for name in ('a.jpg', 'b/c.jpg', 'd.jpg', 'e.jpg')] == [
        'shoes', 'bags', '', '',
    ]  # fmt: skip
    assert types.find('a.jpg', unread).reason == 'products.csv says shoes'
    assert types.find('e.jpg', unread).reason == 'products.csv has no type for it'


def test_a_table_that_grows_is_read_again(tmp_path: Path) -> None:
    """A new line counts from the next photo on."""
    file = tmp_path / 'products.csv'
    file.write_text('image,category\n')
    types = TypeTable(file)
    assert a_type(types, 'a.jpg') == ''
    file.write_text('image,category\na.jpg,shoes\n')
    os.utime(file, ns=(1, 1))
    assert a_type(types, 'a.jpg') == 'shoes'


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'image,kind\n', r"t\.csv: has no column 'category', but has image, kind"),
        (b'', r"t\.csv: has no column 'image', but has none"),
        (b'image,category\na,x\na,y\n', r"t\.csv, line 3: a is 'y' here, but was 'x' before"),
        (b'image,category\n\xff,x\n', r't\.csv: cannot be read as a table of product types'),
    ],
)
def test_wrong_tables(tmp_path: Path, content: bytes, message: str) -> None:
    """The message names the file, and the line or the columns."""
    file = tmp_path / 't.csv'
    file.write_bytes(content)
    with pytest.raises(ArgumentError, match=message):
        TypeTable(file)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({}, 'from a `table` or from a `classifier`'),
        ({'table': 'a', 'classifier': 'b'}, 'name one of them'),
        ({'table': 'a', 'least': 0.7}, '`least` does not go with a table'),
        ({'classifier': 'a', 'column': 'kind'}, '`column` does not go with a classifier'),
        ({'classifier': 'a', 'least': 2}, '`least` must be a probability, from 0 to 1, but got 2'),
        ({'table': 3}, '`table` must be a text, but got 3'),
    ],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    """An option that would be ignored is refused."""
    with pytest.raises(ArgumentError, match=message):
        TypeOptions(**options)  # type: ignore[arg-type]


def test_types_choose_the_route(tmp_path: Path, tiny_file: Path, picture) -> None:
    """The first route that fits name and type is taken, and why is recorded."""
    import io

    from PIL import Image

    (tmp_path / 't.csv').write_text('image,category\na.png,shoes\nb.png,bags\nold/c.png,shoes\n')
    (tmp_path / 'routes.toml').write_text(
        f'[types]\ntable = "{tmp_path}/t.csv"\n'
        + ''.join(
            f'[[route]]\nname = "{name}"\nmodel = "{tiny_file}"\n{rest}\n'
            for name, rest in {
                'archive': 'match = "old/*"',
                'footwear': 'types = ["shoes", "boots"]',
                'bags': 'types = "bags"',
            }.items()
        )
    )
    buffer = io.BytesIO()
    Image.fromarray(picture(24, 16, 0)).save(buffer, 'PNG')
    queue = UploadQueue(f'sqlite:///{tmp_path}/pipeline.db')
    files = PipelineFiles(tmp_path / 'root')
    remover = BackgroundRemover(tiny_file, backend='onnxruntime', device='cpu', num_threads=1)
    for name in ('a.png', 'b.png', 'old/c.png', 'd.png'):
        receive_bytes(queue, files, name, buffer.getvalue(), 'tests')
    Worker(queue, files, read_routes(tmp_path / 'routes.toml'), lambda _: remover).run(True)
    routes = {each.name: each.route for each in queue.uploads()}
    assert routes == {'a.png': 'footwear', 'b.png': 'bags', 'old/c.png': 'archive', 'd.png': ''}
    reasons = [queue.history(number)[1].reason for number in (1, 4)]
    queue.close()
    assert reasons == [
        'the route footwear fits it; t.csv says shoes',
        'no route fits it; t.csv has no type for it',
    ]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a classifier of bright and dark photos, as mmengine stores one."""
    pytest.importorskip('mmpretrain')
    import torch
    from mmengine.config import Config
    from mmengine.registry import DefaultScope
    from mmpretrain.registry import MODELS

    def write(meta: bool = True, lacking: str = '', classes: bool = True) -> Path:
        config = tmp_path / 'mine.py'
        config.write_text(CONFIG)
        cfg = Config.fromfile(config)
        torch.manual_seed(0)
        model = cfg.model.to_dict()
        model['backbone'].pop('init_cfg')
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            built = MODELS.build(model)
        state = built.state_dict()
        # The bias decides: the second class has a probability of e^2 / (1 + e^2) = 0.88.
        state['head.fc.weight'].zero_()
        state['head.fc.bias'].copy_(torch.tensor([0.0, 2.0]))
        state = {name: value for name, value in state.items() if not lacking or lacking not in name}
        names = {'dataset_meta': {'classes': ('bags', 'shoes')}} if classes else {}
        content = {'state_dict': state, 'meta': names | ({'cfg': cfg.pretty_text} if meta else {})}
        file = tmp_path / 'epoch_1.pth'
        torch.save(content, file)
        return file

    return write


@pytest.mark.parametrize('meta', [True, False])
def test_a_classifier(checkpoint, tmp_path: Path, picture, meta: bool) -> None:
    """The likeliest class is the type, with the config in the checkpoint or beside it."""
    config = '' if meta else str(tmp_path / 'mine.py')
    types = TypeOptions(classifier=str(checkpoint(meta)), config=config).open('cpu')
    found = types.find('a.png', lambda: picture(24, 16, 0))
    assert (found.name, found.reason) == ('shoes', 'epoch_1.pth sees shoes (0.88)')
    assert types.names == ('bags', 'shoes')


def test_a_classifier_sees_rgb(checkpoint, monkeypatch) -> None:
    """What mmpretrain gets is BGR, as if it had read the file itself."""
    types = TypeOptions(classifier=str(checkpoint())).open('cpu')
    seen = []
    honest = types._inferencer  # type: ignore[attr-defined]
    monkeypatch.setattr(types, '_inferencer', lambda image: seen.append(image) or honest(image))
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    types.find('a.png', lambda: red)
    assert seen[0][0, 0].tolist() == [0, 0, 200]


def test_an_unlikely_type_is_unknown(checkpoint, picture) -> None:
    """Below `least` there is no type, and the record says what was seen."""
    types = TypeOptions(classifier=str(checkpoint()), least=0.9).open('cpu')
    found = types.find('a.png', lambda: picture(24, 16, 0))
    assert found.name == ''
    assert found.reason == 'epoch_1.pth sees shoes (0.88), less than 0.9'


def test_routes_and_classifier_must_agree(checkpoint, tiny_file: Path) -> None:
    """A type that the classifier does not know would never be found."""
    route = Route('a', model=str(tiny_file), gate=Gate(), types=('shoes', 'hats'))
    routes = Routes((route,), TypeOptions(classifier=str(checkpoint())))
    with pytest.raises(ArgumentError, match='route a: the classifier does not know hats, but bags'):
        routes.open_types('cpu')


def test_wrong_classifiers(checkpoint, tmp_path: Path) -> None:
    """What cannot be used is named, with the reason."""
    for options, message in (
        ({'meta': False}, r'epoch_1\.pth carries no config'),
        ({'lacking': 'fc.bias'}, r'epoch_1\.pth does not fit its config: it lacks 1 parameters'),
        ({'classes': False}, r'epoch_1\.pth: does not name its classes'),
    ):
        file = checkpoint(**options)
        with pytest.raises(ArgumentError, match=message):
            TypeOptions(classifier=str(file)).open('cpu')
    with pytest.raises(FileNotFoundError, match=r'there is no checkpoint .*none\.pth'):
        TypeOptions(classifier=str(tmp_path / 'none.pth')).open('cpu')
