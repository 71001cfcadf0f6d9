"""The options of the engine: what is left open is decided once, and travels."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, replace

import pytest

from bgremoval_mm.removal import CATALOGUE, BackgroundRemover
from bgremoval_mm.removal.backends import make_backend
from bgremoval_mm.removal.options import EngineOptions, JobOptions, OutputOptions, choice


@pytest.fixture
def fast_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU that computes in bf16, and OpenVINO."""
    monkeypatch.setattr(choice, 'computes_in_bf16', lambda: True)
    monkeypatch.setattr(choice, 'find_spec', lambda name: True)


def test_auto_is_decided_once(fast_cpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process has decided is so in another one, where the answer would be another."""
    options = EngineOptions(device='cpu', precision='auto')
    assert (options.backend, options.precision) == ('auto', 'auto')
    monkeypatch.setattr(choice, 'computes_in_bf16', lambda: False)
    for each in (options, pickle.loads(pickle.dumps(options))):
        assert each.resolved.resolved is each.resolved
        assert (each.resolved.backend, each.resolved.precision) == ('openvino', 'bf16')
        assert BackgroundRemover.from_options(each).precision == 'bf16'
    assert replace(options).resolved.precision == 'fp32'


def test_equal_networks_share_a_session() -> None:
    """Whatever the model was named by, and whatever the size of a batch above 1."""
    of_batches = [
        make_backend(EngineOptions(model, 'onnxruntime', batch_size=size))
        for model, size in (('u2netp', 2), (CATALOGUE['u2netp'], 7))
    ]
    assert of_batches[0] == of_batches[1]
    assert hash(of_batches[0]) == hash(of_batches[1])
    assert make_backend(EngineOptions('u2netp', 'onnxruntime')) != of_batches[0]


@pytest.mark.parametrize('options', [EngineOptions(), OutputOptions(), JobOptions()])
def test_options_are_frozen(options: object) -> None:
    """Nobody changes them on their way."""
    with pytest.raises(FrozenInstanceError):
        options.precision = 'bf16'  # type: ignore[attr-defined]


def test_licence_is_no_matter_of_the_options() -> None:
    """Masks that are there can be used without it; weights cannot."""
    assert BackgroundRemover('bria-rmbg').spec.commercial is False
