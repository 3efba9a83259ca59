"""Runs a command to which the calls of io_uring fail, by a seccomp filter as in a container.

    python3 refuse-io-uring.py ERRNO COMMAND [ARGUMENT...]

ERRNO is a name of errno(3): EPERM, as container engines answer, or ENOSYS, as an old kernel does.
"""

import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

# io_uring_setup, io_uring_enter, io_uring_register: the same numbers on every architecture.
CALLS = (425, 426, 427)

BPF_LOAD_NUMBER = 0x20
BPF_JUMP_IF_EQUAL = 0x15
BPF_RETURN = 0x06
SECCOMP_RET_ALLOW = 0x7FFF0000
SECCOMP_RET_ERRNO = 0x00050000


def refuse(error: int) -> None:
    steps = [(BPF_LOAD_NUMBER, 0, 0, 0)]
    for index, call in enumerate(CALLS):
        # Equal: past the other comparisons and the step that allows.
        steps.append((BPF_JUMP_IF_EQUAL, len(CALLS) - index, 0, call))
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


refuse(getattr(errno, sys.argv[1]))
os.execvp(sys.argv[2], sys.argv[2:])
