"""The function of AWS Lambda, called with events, against moto's server."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.pipeline import aws_lambda
from bgremoval_mm.pipeline.bucket_events import EventError
from bgremoval_mm.removal import BackgroundRemover
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.options import OutputOptions
from bgremoval_mm.removal.outputs.rendering import render


@pytest.fixture
def encoded(picture) -> Callable[..., bytes]:
    """A function that makes a picture file: a bright square."""

    def make(seed: int = 0) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(picture(24, 16, seed)).save(buffer, 'PNG')
        return buffer.getvalue()

    return make


@pytest.fixture
def routes(tmp_path: Path, tiny_file: Path) -> Path:
    """A file of two routes: one whose masks pass, one whose masks are doubtful."""
    file = tmp_path / 'routes.toml'
    text = ''
    for name, suspicion in (('good', 100), ('doubtful', 0)):
        text += f'[[route]]\nname = "{name}"\nmatch = "{name}/*"\nmodel = "{tiny_file}"\n'
        text += f'[route.gate]\nsuspicion = {suspicion}\nflags = []\n'
    file.write_text(text)
    return file


@pytest.fixture(autouse=True)
def environment(s3, routes, monkeypatch) -> Iterator[None]:
    """The function's environment, and a container that has seen no event."""
    monkeypatch.setenv('BGREMOVAL_SOURCE', 's3://shop/photos')
    monkeypatch.setenv('BGREMOVAL_RESULTS', 's3://shop/results')
    monkeypatch.setenv('BGREMOVAL_REVIEW', 's3://shop/review')
    monkeypatch.setenv('BGREMOVAL_ROUTES', str(routes))
    aws_lambda._function.cache_clear()
    yield
    aws_lambda._function.cache_clear()


def event(*keys: str, bucket: str = 'shop') -> dict[str, Any]:
    """An event as S3 sends it."""
    return {
        'Records': [
            {
                'eventSource': 'aws:s3',
                'eventName': 'ObjectCreated:Put',
                's3': {'bucket': {'name': bucket}, 'object': {'key': key}},
            }
            for key in keys
        ]
    }


def written(s3) -> set[str]:
    """Keys of all objects but the photos."""
    found = s3.list_objects_v2(Bucket='shop').get('Contents', [])
    return {each['Key'] for each in found if not each['Key'].startswith('photos/')}


def body(s3, key: str) -> bytes:
    """The content of an object."""
    return s3.get_object(Bucket='shop', Key=key)['Body'].read()


def test_good_doubtful_and_broken_photos(s3, encoded, tiny_file: Path) -> None:
    """Results go to their place, those of doubtful masks to review; broken ones are noted there."""
    s3.put_object(Bucket='shop', Key='photos/good/a b.png', Body=encoded(1))
    s3.put_object(Bucket='shop', Key='photos/doubtful/b.png', Body=encoded(2))
    s3.put_object(Bucket='shop', Key='photos/good/broken.jpg', Body=b'\xff\xd8 no picture')
    s3.put_object(Bucket='shop', Key='photos/other/c.png', Body=encoded(3))
    keys = ['good/a+b.png', 'doubtful/b.png', 'good/broken.jpg', 'other/c.png', 'good/gone.png']
    done = aws_lambda.handler(event(*(f'photos/{key}' for key in keys)))
    assert done == {
        'published': ['photos/good/a b.png'],
        'review': ['photos/doubtful/b.png'],
        'failed': ['photos/good/broken.jpg', 'photos/other/c.png'],
        'ignored': ['photos/good/gone.png'],
    }
    assert written(s3) == {
        'results/good/a b.png.png',
        'review/doubtful/b.png.png',
        'review/doubtful/b.png.json',
        'review/good/broken.jpg.json',
        'review/other/c.png.json',
    }
    remover = BackgroundRemover(tiny_file, backend='onnxruntime', device='cpu', num_threads=1)
    for key, seed in (('results/good/a b.png.png', 1), ('review/doubtful/b.png.png', 2)):
        source = decode_image(encoded(seed))
        ((mask, _),) = remover.low_resolution([source.rgb])
        expected = render(source, mask, OutputOptions(output='rgba')).pixels
        np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(body(s3, key)))), expected)
    reasons = json.loads(body(s3, 'review/doubtful/b.png.json'))
    assert reasons['reasons'] == ['every mask is reviewed']
    assert 'no route fits it' in json.loads(body(s3, 'review/other/c.png.json'))['reasons']


def test_the_network_is_loaded_once(s3, encoded, monkeypatch) -> None:
    """Events that reach the same container share it."""
    made, honest = [], BackgroundRemover.from_options
    monkeypatch.setattr(
        BackgroundRemover, 'from_options', lambda options: made.append(options) or honest(options)
    )
    for number in range(3):
        s3.put_object(Bucket='shop', Key=f'photos/good/{number}.png', Body=encoded(number))
        aws_lambda.handler(event(f'photos/good/{number}.png'))
    assert len(made) == 1
    assert len(written(s3)) == 3


def test_a_photo_that_was_not_done_is_delivered_again(s3, encoded, monkeypatch) -> None:
    """The others of the event are done; the function fails, so that AWS tries again."""
    for number in range(2):
        s3.put_object(Bucket='shop', Key=f'photos/good/{number}.png', Body=encoded(number))
    told = event('photos/good/0.png', 'photos/good/1.png')
    function = aws_lambda._function()
    honest, calls = function._judged_mask, []

    def flaky(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            msg = 'out of memory'
            raise RuntimeError(msg)
        return honest(*arguments)

    monkeypatch.setattr(function, '_judged_mask', flaky)
    with pytest.raises(
        aws_lambda.LambdaError, match=r'^s3://shop/photos/good/0\.png: Runtime.*ory$'
    ):
        aws_lambda.handler(told)
    assert written(s3) == {'results/good/1.png.png'}
    assert len(aws_lambda.handler(told)['published']) == 2
    assert written(s3) == {'results/good/0.png.png', 'results/good/1.png.png'}


def test_a_photo_that_changes_meanwhile(s3, encoded, monkeypatch) -> None:
    """The former version's result does not take the place of the later one's."""
    s3.put_object(Bucket='shop', Key='photos/good/a.png', Body=encoded(1))
    function = aws_lambda._function()
    honest = function._judged_mask

    def slow(*arguments: Any) -> Any:
        s3.put_object(Bucket='shop', Key='photos/good/a.png', Body=encoded(2))
        return honest(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(function, '_judged_mask', slow)
        assert aws_lambda.handler(event('photos/good/a.png'))['ignored'] == ['photos/good/a.png']
    assert written(s3) == set()
    assert aws_lambda.handler(event('photos/good/a.png'))['published'] == ['photos/good/a.png']


def test_a_better_photo_leaves_review(s3, encoded, routes: Path) -> None:
    """Once a later version is published, nothing of the former one waits in review."""
    s3.put_object(Bucket='shop', Key='photos/doubtful/a.png', Body=encoded(1))
    aws_lambda.handler(event('photos/doubtful/a.png'))
    assert written(s3) == {'review/doubtful/a.png.png', 'review/doubtful/a.png.json'}
    routes.write_text(routes.read_text().replace('suspicion = 0', 'suspicion = 100'))
    aws_lambda._function.cache_clear()
    aws_lambda.handler(event('photos/doubtful/a.png'))
    assert written(s3) == {'results/doubtful/a.png.png'}


def test_it_does_not_start_itself(s3, encoded, monkeypatch, routes: Path) -> None:
    """Results below the source are refused at the start; events of other places do nothing."""
    s3.put_object(Bucket='shop', Key='results/good/a.png.png', Body=encoded(1))
    s3.put_object(Bucket='shop', Key='review/good/a.png.png', Body=encoded(1))
    before = written(s3)
    keys = ['results/good/a.png.png', 'review/good/a.png.png']
    assert aws_lambda.handler(event(*keys))['ignored'] == keys
    assert written(s3) == before
    for name, place in (
        ('BGREMOVAL_RESULTS', 's3://shop/photos/results'),
        ('BGREMOVAL_REVIEW', 's3a://shop/photos/'),
        ('BGREMOVAL_SOURCE', 's3://shop'),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(name, place)
            aws_lambda._function.cache_clear()
            with pytest.raises(ArgumentError, match=r' lies in s3://shop.* start this function ag'):
                aws_lambda.handler(event())
    routes.write_text(
        routes.read_text().replace(
            '[route.gate]', 'publish = "s3://shop/photos/x"\n[route.gate]', 1
        )
    )
    aws_lambda._function.cache_clear()
    with pytest.raises(ArgumentError, match=r'^s3://shop/photos/x lies in s3://shop/photos: '):
        aws_lambda.handler(event())


def test_wrong_settings_and_events(monkeypatch, routes: Path) -> None:
    """What is missing or wrong is named."""
    with pytest.raises(EventError, match='an event of a bucket was expected'):
        aws_lambda.handler({'key': 'value1'})
    monkeypatch.delenv('BGREMOVAL_RESULTS')
    aws_lambda._function.cache_clear()
    with pytest.raises(ArgumentError, match=r'^BGREMOVAL_RESULTS must be set to places such as'):
        aws_lambda.handler(event())
    monkeypatch.setenv('BGREMOVAL_RESULTS', 's3://shop/results')
    routes.write_text('[[route]]\nname = "x"\nmodel = "live"\n')
    with pytest.raises(ArgumentError, match='has no `model = "live"`'):
        aws_lambda.handler(event())


def test_the_image_needs_no_database(repository: Path) -> None:
    """The handler that the Dockerfile names is imported without the extra `pipeline`."""
    text = (repository / 'docker/lambda/Dockerfile').read_text()
    module, _, name = re.search(r'^CMD \["(\S+)"\]$', text, re.MULTILINE)[1].rpartition('.')
    code = 'import sys\nsys.modules.update(dict.fromkeys(("sqlalchemy", "alembic", "fastapi")))\n'
    code += f'from {module} import {name}\nprint({name}.__name__)'
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, 'handler\n'), done.stderr


def test_the_image_is_made_of_what_is_there(repository: Path) -> None:
    """Every file that the Dockerfile copies exists, and is let in by its list of files."""
    folder = repository / 'docker/lambda'
    text = (folder / 'Dockerfile').read_text()
    let_in = (folder / 'Dockerfile.dockerignore').read_text().split()
    copied = [
        name for line in re.findall(r'^COPY (.*) \S+$', text, re.MULTILINE) for name in line.split()
    ]
    assert 'bgremoval_mm' in copied
    for name in copied:
        assert (repository / name).exists(), name
        assert f'!{name}' in let_in
