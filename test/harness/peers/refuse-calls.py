"""Runs a command to which system calls fail, by a seccomp filter as in a container.

    python3 refuse-calls.py CALLS ERRNO COMMAND [ARGUMENT...]

CALLS is io_uring: the calls of io_uring; or executable-page: mprotect(2) of a single page that is to
be read and executed. V8 asks for more pages, or for other protections. ERRNO is a name of errno(3):
EPERM, as container engines answer, EACCES, as SELinux does, or ENOSYS, as an old kernel does.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

# io_uring_setup, io_uring_enter, io_uring_register: the same numbers on every architecture.
IO_URING = (425, 426, 427)
MPROTECT = {"x86_64": 10, "aarch64": 226}
PAGE_BYTES = 4096
READ_AND_EXECUTE = 5

# Offsets in the seccomp_data: the number, and the lower halves of the arguments, which start at 16.
NUMBER = 0
LENGTH = 24
PROTECTION = 32

BPF_LOAD = 0x20
BPF_JUMP_IF_EQUAL = 0x15
BPF_RETURN = 0x06
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000

# A filter is a list of steps, followed by one that allows the call and one that refuses it.


def io_uring() -> list:
    steps = [(BPF_LOAD, 0, 0, NUMBER)]
    for index, call in enumerate(IO_URING):
        # Equal: past the other comparisons and the step that allows.
        steps.append((BPF_JUMP_IF_EQUAL, len(IO_URING) - index, 0, call))
    return steps


def executable_page() -> list:
    return [
        (BPF_LOAD, 0, 0, NUMBER),
        # Another: past the other comparisons, to the step that allows.
        (BPF_JUMP_IF_EQUAL, 0, 4, MPROTECT[platform.machine()]),
        (BPF_LOAD, 0, 0, LENGTH),
        (BPF_JUMP_IF_EQUAL, 0, 2, PAGE_BYTES),
        (BPF_LOAD, 0, 0, PROTECTION),
        (BPF_JUMP_IF_EQUAL, 1, 0, READ_AND_EXECUTE),
    ]


def refuse(steps: list, error: int) -> None:
    steps.append((BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW))
    steps.append((BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO | error))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(program), 0, 0),
    ):
        if libc.prctl(*words) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")


FILTERS = {"io_uring": io_uring, "executable-page": executable_page}

refuse(FILTERS[sys.argv[1]](), getattr(errno, sys.argv[2]))
os.execvp(sys.argv[3], sys.argv[3:])
