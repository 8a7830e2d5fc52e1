"""Signals that stop the server are waited for and not missed, and what was there before comes back."""

import os
import signal
import threading

import pytest
from procfs import in_use

from flight_server.signals import StopSignals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_wait_ends_with_the_first_signal(number):
    with StopSignals() as signals:
        sender = threading.Timer(0.05, os.kill, (os.getpid(), number))
        sender.start()
        signals.wait()
        sender.join()


def test_a_signal_that_came_before_the_wait_is_not_slept_through():
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGTERM)
        signals.wait()


def test_another_signal_does_not_end_the_wait():
    heard = []
    before = signal.signal(signal.SIGUSR2, lambda number, _: heard.append(number))
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGUSR2)
            sender = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
            sender.start()
            signals.wait()
            sender.join()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert heard == [signal.SIGUSR2]


def test_handlers_and_descriptors_are_given_back():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    others = in_use()
    with StopSignals():
        assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
        assert in_use() - others
    assert {number: signal.getsignal(number) for number in before} == before
    assert in_use() <= others
    assert signal.set_wakeup_fd(-1) == -1


def test_sighup_is_answered_and_does_not_end_the_wait():
    heard = []
    with StopSignals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)

        def hung_up():
            heard.append(1)
            os.kill(os.getpid(), signal.SIGHUP if len(heard) < 3 else signal.SIGTERM)

        signals.wait(hung_up)
    assert len(heard) == 3
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
