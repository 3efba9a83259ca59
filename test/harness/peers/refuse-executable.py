"""Runs a command in which no page can be made executable, by a seccomp filter.

    python3 refuse-executable.py ERRNO COMMAND [ARGUMENT...]

ERRNO is a name of errno(3): EACCES, as SELinux answers, or EPERM. The filter refuses mprotect(2) of
a single page that is to be read and executed. V8 asks for more pages, or for other protections.
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

MPROTECT = {"x86_64": 10, "aarch64": 226}[platform.machine()]
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


def refuse(error: int) -> None:
    steps = [
        (BPF_LOAD, 0, 0, NUMBER),
        (BPF_JUMP_IF_EQUAL, 0, 5, MPROTECT),
        (BPF_LOAD, 0, 0, LENGTH),
        (BPF_JUMP_IF_EQUAL, 0, 3, PAGE_BYTES),
        (BPF_LOAD, 0, 0, PROTECTION),
        (BPF_JUMP_IF_EQUAL, 0, 1, READ_AND_EXECUTE),
        (BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO | error),
        (BPF_RETURN, 0, 0, SECCOMP_RET_ALLOW),
    ]
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
