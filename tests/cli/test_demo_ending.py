"""How a demo ends: exit codes and messages."""

from __future__ import annotations

import pytest

from bgremoval_mm.cli.demo_ending import guarded
from bgremoval_mm.demo.training import StepError


def raising(error: BaseException):
    """A demo that ends with an error."""

    def run() -> None:
        raise error

    return run


def test_a_whole_demo_ends_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    """It has said all that there is to say."""
    done: list[int] = []
    assert guarded(lambda: done.append(1)) == 0
    assert done == [1]
    assert capsys.readouterr() == ('', '')


def test_an_expected_error_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """In as many lines as it has, each of which shows what a terminal would obey."""
    assert guarded(raising(StepError('the log:\nline\x1b[2J'))) == 1
    assert capsys.readouterr().err == '\nThe demo failed: the log:\nline\\x1b[2J\n'
    with pytest.raises(StepError):
        guarded(raising(StepError('the log')), debug=True)


def test_a_fault_is_let_through() -> None:
    """Its traceback is needed."""
    with pytest.raises(KeyError):
        guarded(raising(KeyError('x')))


@pytest.mark.parametrize(('advice', 'said'), [('', ''), ('Run it again.', ' Run it again.')])
def test_interrupted(advice: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C has the exit code that shells know, and says what to do where there is something."""
    assert guarded(raising(KeyboardInterrupt()), advice=advice) == 130
    assert capsys.readouterr().err == f'\nInterrupted.{said}\n'
