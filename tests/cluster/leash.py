"""Run as a script: ``leash.py PARENT PROGRAM ARGUMENTS…`` becomes a program that does not outlive its parent.

The kernel kills it when its parent dies, also when a test run is killed and can tidy nothing itself. It is a script of
its own since Python advises against running code between fork and exec. Linux only: elsewhere ``workdir.sweep`` ends
what is left, at the next start. The kernel means the parent's *thread*: start components from a thread that stays.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before it could be asked for
            sys.exit(1)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
