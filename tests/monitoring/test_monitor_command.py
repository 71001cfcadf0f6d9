"""`bgremoval monitor`: figures, one alarm per drop, a webhook, a page, metrics, a reference."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from bgremoval_mm.cli.main import main
from bgremoval_mm.monitoring import alarms
from bgremoval_mm.monitoring.shifts import WEEK
from bgremoval_mm.pipeline.files import PipelineFiles
from bgremoval_mm.pipeline.queue import UploadQueue
from bgremoval_mm.removal.errors import ArgumentError
from tests.monitoring.conftest import CLUSTERS, FIRST_WEEK

NOW = (FIRST_WEEK + 70.5) * WEEK


@pytest.fixture(autouse=True)
def fixed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a week after the last verdict, it is always now."""
    monkeypatch.setattr(UploadQueue.__init__, '__defaults__', (300, 5, lambda: NOW))


class Receiver(HTTPServer):
    """A webhook's receiver that answers with the given statuses, then with 200."""

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.taken: list[dict[str, object]] = []
        self.statuses: list[int] = []
        self.url = f'http://127.0.0.1:{self.server_address[1]}/secret-path'


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Take an alarm, or refuse it."""
        content = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.taken.append(content)
        self.send_response(status)
        if status == 302:
            self.send_header('Location', '/elsewhere')
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that runs; the command does not wait between tries."""
    monkeypatch.setattr(alarms, '_PAUSES', (0.0, 0.0))
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_figures(root: Path, fill: Callable[..., None], capsys) -> None:
    """The means and rates are those of the rows of the last four weeks."""
    fill(70, a_week=20)
    assert main(['monitor', str(root), '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row['cluster'] for row in found['clusters']] == list(CLUSTERS)
    queue = UploadQueue(f'sqlite:///{root}/pipeline.db')
    with queue.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "select iou from measurements where cluster = 'bags' and judged > ?",
            (NOW - 28 * 86400,),
        ).fetchall()
    queue.close()
    bags = found['clusters'][0]
    assert bags['masks'] == bags['iou']['count'] == len(rows) > 50
    assert bags['iou']['mean'] == pytest.approx(np.mean(rows))
    error = np.std(rows, ddof=1) / len(rows) ** 0.5
    assert bags['iou']['high'] - bags['iou']['low'] == pytest.approx(3.92 * error, rel=0.2)
    assert bags['manual_rate']['mean'] == 1.0
    assert bags['manual_rate']['high'] == 1.0
    assert bags['verdicts']['accepted'] == sum(iou == 1 for (iou,) in rows)
    assert found['total']['masks'] == sum(row['masks'] for row in found['clusters'])
    assert 'accepted ones count as 1' in found['note']
    assert main(['monitor', str(root)]) == 0
    table = capsys.readouterr().out
    assert re.search(r'(?m)^bags +u2net +\d+ +100.0 % \(\d+.\d to 100.0\) +\d+ +\d+ +0 +0.9', table)


def test_one_alarm_per_drop(root: Path, fill: Callable[..., None], receiver: Receiver, capsys):
    """A drop of three points in one cluster is told once, by exit code and webhook."""
    fill(70, drop=0.03, since=40)
    command = ['monitor', str(root), '--webhook', receiver.url]
    assert main(['monitor', str(root), '--look']) == 0
    assert 'New: shoes, u2net' in capsys.readouterr().out
    assert main(command) == 1
    assert 'New: shoes, u2net: the mean IoU of reviewed masks fell' in capsys.readouterr().out
    assert main(command) == 0
    assert 'New' not in capsys.readouterr().out
    (alarm,) = receiver.taken
    assert (alarm['id'], alarm['cluster'], alarm['model']) == ('drop-1', 'shoes', 'u2net')
    assert alarm['before'] - alarm['after'] == pytest.approx(0.03, abs=0.015)
    assert abs(alarm['since'] / WEEK - FIRST_WEEK - 40) <= 8


def test_noise_is_not_told(root: Path, fill: Callable[..., None], receiver: Receiver) -> None:
    """Without a drop, the exit code is 0 and nothing is sent."""
    fill(70)
    assert main(['monitor', str(root), '--webhook', receiver.url]) == 0
    assert receiver.taken == []


def test_a_webhook_that_fails(root: Path, fill: Callable[..., None], receiver: Receiver, capsys):
    """It is tried three times, then by the next run, and never again once it took the alarm."""
    fill(70, drop=0.1, since=40)
    command = ['monitor', str(root), '--webhook', receiver.url]
    receiver.statuses = [500, 503]
    assert main(command) == 1
    assert len(receiver.taken) == 1
    again = ['--database', f'sqlite:///{root}/pipeline.db']
    assert main([*command, *again]) == 0
    assert len(receiver.taken) == 1
    assert 'secret-path' not in capsys.readouterr().err


def test_a_webhook_that_is_away(root: Path, fill: Callable[..., None], receiver: Receiver, capsys):
    """The run ends with a message that does not show the path; the next run sends the alarm."""
    fill(70, drop=0.1, since=40)
    command = ['monitor', str(root), '--webhook', receiver.url]
    receiver.statuses = [302, 500, 404]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert re.search(r'error: the webhook at http://127.0.0.1 did not take .*: status 404', said)
    assert 'secret-path' not in said
    assert receiver.taken == []
    assert main(command) == 0
    assert len(receiver.taken) == 1


def test_a_webhook_that_is_away_for_a_while(
    root: Path, fill: Callable[..., None], receiver: Receiver, monkeypatch, capsys
):
    """With --every the next round sends the alarm, and the drop still makes the exit code 1."""
    fill(70, drop=0.1, since=40)
    receiver.statuses = [302, 500, 404]
    rounds = iter([None, None])

    def sleep(seconds: float) -> None:
        if seconds == 999 and next(rounds, 'over') == 'over':
            raise KeyboardInterrupt

    monkeypatch.setattr('bgremoval_mm.cli.monitor.time.sleep', sleep)
    assert main(['monitor', str(root), '--webhook', receiver.url, '--every', '999']) == 1
    assert 'did not take' in capsys.readouterr().err
    assert len(receiver.taken) == 1


@pytest.mark.parametrize('url', ['ftp://x/y', 'shop', 'http://'])
def test_wrong_webhooks(url: str) -> None:
    """Only addresses of HTTP are taken."""
    with pytest.raises(ArgumentError, match='`webhook` must be an address such as'):
        alarms.check_webhook(url)


def test_page(root: Path, fill: Callable[..., None], tmp_path: Path) -> None:
    """The page has the figures, a plot of each cluster, the alarm, and needs no other host."""
    fill(70, drop=0.1, since=40)
    page = tmp_path / 'page.html'
    assert main(['monitor', str(root), '--html', str(page)]) == 1
    text = page.read_text()
    assert text.count('<img alt=') == len(CLUSTERS)
    assert 'src="data:image/svg+xml;base64,' in text
    assert '<p class="alarm">shoes, u2net: the mean IoU of reviewed masks fell' in text
    assert not re.search(r'(src|href)="(?!data:)|url\(|@import', text)


def test_metrics(root: Path, fill: Callable[..., None], tmp_path: Path) -> None:
    """Prometheus can read the file, whose values are those of the tables."""
    fill(70, drop=0.1, since=40)
    file = tmp_path / 'shop.prom'
    assert main(['monitor', str(root), '--metrics', str(file)]) == 1
    samples = {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }
    low, mean, high = (
        samples['bgremoval_watched_iou', bound, 'shoes', 'u2net']
        for bound in ('low', 'mean', 'high')
    )
    assert low < mean < high < samples['bgremoval_watched_iou', 'mean', 'bags', 'u2net']
    assert samples['bgremoval_watched_iou_drops', 'shoes', 'u2net'] == 1
    assert ('bgremoval_watched_iou_drops', 'bags', 'u2net') not in samples


def test_going_on(root: Path, fill: Callable[..., None]) -> None:
    """With --every the metrics are served until SIGTERM, which ends it well."""
    fill(10)
    with socket.create_server(('127.0.0.1', 0)) as listening:
        port = listening.getsockname()[1]
    command = [sys.executable, '-m', 'bgremoval_mm.cli.main', 'monitor', str(root)]
    with subprocess.Popen(
        [*command, '--every', '1', '--prometheus', str(port)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    ) as process:
        try:
            text, until = '', time.monotonic() + 60
            while ' 1.' not in text and time.monotonic() < until:  # the time, once it is set
                time.sleep(0.2)
                try:
                    with urllib.request.urlopen(f'http://127.0.0.1:{port}/metrics') as answer:
                        text = answer.read().decode()
                except OSError:
                    assert process.poll() is None
            assert re.search(r'(?m)^bgremoval_watched_timestamp_seconds 1\.', text)
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=60)
            assert process.returncode == 0, said.decode()
        finally:
            process.kill()


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """A folder of 60 masks, squares of several sizes."""
    folder = tmp_path / 'masks'
    folder.mkdir()
    for number in range(60):
        levels = np.zeros((40, 40), np.uint8)
        levels[5 : 15 + number // 3, 5 : 15 + number // 3] = 255
        Image.fromarray(levels).save(folder / f'{number}.png')
    return folder


def test_reference_and_drift(
    root: Path, fill: Callable[..., None], masks: Path, tmp_path: Path, capsys
) -> None:
    """Masks with another share of foreground than the training set's have drifted."""
    file = tmp_path / 'reference.json'
    assert main(['monitor', 'reference', str(masks), str(file), '--workers', '1']) == 0
    assert '60 masks measured' in capsys.readouterr().out
    figures = json.loads(file.read_text())['figures']
    sizes = [(10 + number // 3) ** 2 / 1600 for number in range(60)]
    np.testing.assert_allclose(figures['foreground'], sizes, atol=1e-4)
    fill(70)  # about 0.3 of the photo
    assert main(['monitor', str(root), '--reference', str(file), '--json']) == 0
    (drift,) = json.loads(capsys.readouterr().out)['drift']
    assert (drift['figure'], drift['has_drifted']) == ('foreground', True)
    assert main(['monitor', str(root), '--reference', str(file)]) == 0
    assert re.search(r'(?m)^foreground .* has drifted$', capsys.readouterr().out)


def test_errors(root: Path, tmp_path: Path, capsys) -> None:
    """What is missing or does not go together is named."""
    wrong = tmp_path / 'wrong.json'
    wrong.write_text('{"kind": "x"}')
    (tmp_path / 'empty').mkdir()
    for command, message in (
        (['monitor', str(tmp_path / 'gone')], 'there is no pipeline'),
        (['monitor', str(root), '--reference', str(wrong)], 'must be a reference of'),
        (['monitor', str(root), '--false-alarms', '0'], '`false_alarms` must be above 0'),
        (['monitor', str(root), '--webhook', 'x'], '`webhook` must be an address'),
        (['monitor', 'reference', str(tmp_path / 'empty'), 'x.json'], 'has no picture'),
        (['monitor', 'reference', str(tmp_path / 'gone'), 'x.json'], 'must be a folder of masks'),
    ):
        assert main(command) == 1
        assert message in capsys.readouterr().err
    for options, message in (
        (['--prometheus', '9000'], '--prometheus goes with --every'),
        (['--look', '--webhook', 'http://x'], '--look sends nothing'),
        (['--prometheus', '70000', '--every', '1'], 'from 1 to 65535'),
        (['--window', '0'], '--window must be from 1 to 366 days, but got 0'),
    ):
        with pytest.raises(SystemExit):
            main(['monitor', str(root), *options])
        assert message in capsys.readouterr().err


def test_a_drop_is_told_though_a_file_cannot_be_written(
    root: Path, fill: Callable[..., None], tmp_path: Path, capsys
) -> None:
    """It is recorded by then, and no later run would tell it."""
    fill(70, drop=0.1, since=40)
    assert main(['monitor', str(root), '--metrics', str(tmp_path / 'gone' / 'shop.prom')]) == 1
    said = capsys.readouterr()
    assert 'New: shoes, u2net' in said.out
    assert 'cannot write to' in said.err


def test_page_of_masks_from_the_future(
    root: Path, fill: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's clock may be ahead, and bytes of the folder's name no UTF-8."""
    fill(1)
    monkeypatch.setattr(
        UploadQueue.__init__, '__defaults__', (300, 5, lambda: (FIRST_WEEK - 1) * WEEK)
    )
    named = PipelineFiles(root.with_name(b'shop\xff'.decode(errors='surrogateescape'))).root
    page, database = root.with_name('page.html'), f'sqlite:///{root}/pipeline.db'
    assert main(['monitor', str(named), '--database', database, '--html', str(page)]) == 0
    assert '<h1>Masks of shop\\xff</h1>' in page.read_text()
    assert page.read_text().count('<img alt=') == len(CLUSTERS)
