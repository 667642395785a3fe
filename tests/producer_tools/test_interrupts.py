"""Signals take effect when they may."""

from __future__ import annotations

import os
import signal

import pytest

from producer_tools.interrupts import held_back, terminated_as_interrupted


def test_sigterm_is_an_interrupt_in_the_block_and_what_it_was_behind_it() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_held_back_comes_at_the_end_of_the_block(number: signal.Signals) -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), terminated_as_interrupted():  # noqa: PT012 - the order is what is tested
        with held_back():
            os.kill(os.getpid(), number)
            done.append("to the end")
        done.append("too far")
    assert done == ["to the end"]


def test_an_error_in_the_block_is_told_and_signals_are_as_before() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="torn"), held_back():
        raise ValueError("torn")
    assert signal.getsignal(signal.SIGINT) == before
