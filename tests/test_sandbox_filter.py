"""The programs of the filter, run as the kernel would run them, for both machines: which calls they let through."""

import errno
import struct

import pytest

from flight_server.nursery.sandbox_calls import EXAMINED, REFUSED, UNKNOWN_FROM
from flight_server.nursery.sandbox_filter import against_all, against_processes

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES = sorted(AUDIT)
PID = 4711
THREAD = 0x3D0F00
CLOSE = {"x86_64": 3, "aarch64": 57}


def decided(program, machine, number, *arguments):
    """What ``program`` answers to a call: "allowed", or the name of an error; ``IndexError`` when it runs over its end."""
    call = struct.pack("=IIQ6Q", number, AUDIT[machine], 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    steps = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    at, word = 0, 0
    while True:
        code, skip, otherwise, operand = steps[at]
        at += 1
        if code == 0x20:
            (word,) = struct.unpack_from("=I", call, operand)
        elif code == 0x54:
            word &= operand
        elif code == 0x06:
            return "allowed" if operand == 0x7FFF0000 else errno.errorcode[operand & 0xFFFF]
        else:
            holds = {0x15: word == operand, 0x35: word >= operand, 0x45: bool(word & operand)}[code]
            at += skip if holds else otherwise


def asked(machine, name, *arguments, guard=False):
    number = {**REFUSED, **EXAMINED}[name][MACHINES[::-1].index(machine)]
    program = against_all(machine, pid=PID, guard_truncation=guard)
    return None if number is None else decided(program, machine, number, *arguments)


DECISIONS = {
    "clone of a thread": ("clone", (THREAD,), "allowed"),
    "clone of a process": ("clone", (17,), "EPERM"),
    "kill of itself": ("kill", (PID, 6), "allowed"),
    "kill of another": ("kill", (PID - 1, 6), "EPERM"),
    "kill of its group": ("kill", (0, 6), "EPERM"),
    "kill of all": ("kill", ((1 << 64) - 1, 6), "EPERM"),
    "tgkill of itself": ("tgkill", (PID, PID + 1, 6), "allowed"),
    "tgkill of another": ("tgkill", (PID + 1, PID, 6), "EPERM"),
    "a queued signal for another": ("rt_sigqueueinfo", (1, 6, 0), "EPERM"),
    "a pair of streams": ("socketpair", (1, 1 | 0x80000, 0), "allowed"),
    "a pair for datagrams": ("socketpair", (1, 2, 0), "EPERM"),
    "a pair of another family": ("socketpair", (30, 1, 0), "EPERM"),
    "F_DUPFD_CLOEXEC": ("fcntl", (3, 1030), "allowed"),
    "F_SETOWN": ("fcntl", (3, 8, 1), "EPERM"),
    "F_SETOWN_EX": ("fcntl", (3, 15, 1), "EPERM"),
    "F_SETLEASE": ("fcntl", (3, 1024, 1), "EPERM"),
    "F_NOTIFY": ("fcntl", (3, 1026, 2), "EPERM"),
    "FIONREAD": ("ioctl", (3, 0x541B), "allowed"),
    "FIOSETOWN": ("ioctl", (3, 0x8901), "EPERM"),
    "a thread's name": ("prctl", (15,), "allowed"),
    "the signal of a parent's death": ("prctl", (1,), "EPERM"),
    "a limit is read": ("prlimit64", (0, 7, 0, 1), "allowed"),
    "a limit is set": ("prlimit64", (0, 7, 4096, 0), "EPERM"),
    "a limit is set from high in memory": ("prlimit64", (0, 7, 1 << 32, 0), "EPERM"),
    "own processors": ("sched_setaffinity", (0,), "allowed"),
    "another's processors": ("sched_setaffinity", (1,), "EPERM"),
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("name", "arguments", "decision"), DECISIONS.values(), ids=DECISIONS.keys())
def test_what_is_examined_is_decided_by_its_arguments(machine, name, arguments, decision):
    assert asked(machine, name, *arguments) == decision


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused(machine, name):
    assert asked(machine, name) in {"EPERM", None}


@pytest.mark.parametrize("machine", MACHINES)
def test_all_else_is_let_through(machine):
    program = against_all(machine, pid=PID, guard_truncation=False)
    named = {number for numbers in (*REFUSED.values(), *EXAMINED.values()) for number in numbers} | {435}
    assert {decided(program, machine, number) for number in set(range(UNKNOWN_FROM)) - named} == {"allowed"}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("number", [435, UNKNOWN_FROM, 0x40000000, 0xFFFFFFFF])
def test_what_cannot_be_looked_at_is_unknown(machine, number):
    assert decided(against_all(machine, pid=PID, guard_truncation=False), machine, number) == "ENOSYS"


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("flags", "decision"), [(0, "allowed"), (0o1000, "EPERM"), (0o1001, "allowed"), (0o1102, "allowed"), (0o2000000, "allowed")]
)
def test_where_landlock_cannot_readers_are_kept_from_cutting_files(machine, flags, decision):
    assert asked(machine, "openat", 0, 0, flags, guard=True) == decision
    assert asked(machine, "open", 0, flags, guard=True) in {decision, None}
    assert asked(machine, "truncate", guard=True) == "EPERM"
    assert asked(machine, "openat2", guard=True) == "ENOSYS"
    assert asked(machine, "truncate") == "allowed"


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("program", ["all", "processes"])
def test_calls_of_another_machine_are_refused(machine, program):
    made = against_processes(machine) if program == "processes" else against_all(machine, pid=PID, guard_truncation=False)
    other = next(each for each in MACHINES if each != machine)
    assert decided(made, machine, CLOSE[machine]) == "allowed"
    assert decided(made, other, CLOSE[other]) == "EPERM"


@pytest.mark.parametrize("machine", MACHINES)
def test_without_a_sandbox_only_what_limits_and_the_pact_rest_on_is_refused(machine):
    program = against_processes(machine)
    clone, kill, prctl = (EXAMINED[name][MACHINES[::-1].index(machine)] for name in ("clone", "kill", "prctl"))
    for name in ("fork", "memfd_create", "memfd_secret", "setresuid", "setfsuid", "setfsgid"):
        number = REFUSED[name][MACHINES[::-1].index(machine)]
        assert number is None or decided(program, machine, number) == "EPERM", name
    assert decided(program, machine, prctl, 1) == "EPERM"
    assert decided(program, machine, prctl, 15) == "allowed"
    assert decided(program, machine, clone, THREAD) == "allowed"
    assert decided(program, machine, clone, 17) == "EPERM"
    assert decided(program, machine, 435) == "ENOSYS"
    assert decided(program, machine, kill, 1, 9) == "allowed"
