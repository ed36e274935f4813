"""What the tools that run VMs have in common: a heap's size as an argument, and VMs that end with their tool."""

import argparse
import ctypes
import os
import re
import signal
import sys

LEAST_HEAP = 80 * 1024  # bytes; with less, a node has no room to read its configuration and to say what is wrong
PR_SET_PDEATHSIG = 1


def heap_bytes(text):
    """The bytes of an argument such as 192K. Raises ArgumentTypeError."""
    if not re.fullmatch(r"[1-9][0-9]*[KM]?", text):
        raise argparse.ArgumentTypeError(f"expected bytes such as 192K or 1M, not {text!r}")
    size = int(text.rstrip("KM")) * {"K": 1024, "M": 1024 * 1024}.get(text[-1], 1)
    if size < LEAST_HEAP:
        raise argparse.ArgumentTypeError(f"expected a heap of at least {LEAST_HEAP // 1024}K, not {text!r}")
    return size


def end_with_parent(how=signal.SIGKILL):
    """A preexec_fn: Linux ends the process by this signal when the tool is killed, so that its address comes free."""
    parent = os.getpid()

    def ask():
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how)
            if os.getppid() != parent:
                os._exit(1)

    return ask
