#!/usr/bin/python3
"""A program for terminals (profanity) in one of its own; speaks JSON lines.

usage: terminal.py PROGRAM [ARGUMENT...]

stdout: {"event": "screen", "text": ...} whenever what the screen shows has changed
stdin:  a line is typed, with the return key; the line "/quit", or the end, leaves.

Its settings are those of a new user: HOME is a directory that is removed in the end.
"""
import fcntl
import json
import os
import pty
import selectors
import signal
import struct
import sys
import tempfile
import termios
import time

import pyte

ROWS, COLUMNS = 40, 140
SETTLE = 0.1  # seconds a screen may change before it is told, so that half a picture rarely is
LEAVE = 10  # seconds to end by itself


def start(home, program):
    pid, fd = pty.fork()
    if pid == 0:
        os.environ.update(HOME=home, TERM="linux", LANG="C.UTF-8", LC_ALL="C.UTF-8")
        for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            os.environ.pop(name, None)
        os.execvp(program[0], program)
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    return pid, fd


def ended(pid, patience):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return True
        time.sleep(0.05)
    return False


def follow(fd):
    """Passes keys in and pictures out until either side ends."""
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    told, due, typed = None, None, b""
    with selectors.DefaultSelector() as ready:
        ready.register(fd, selectors.EVENT_READ)
        ready.register(0, selectors.EVENT_READ)
        while True:
            events = ready.select(None if due is None else max(0, due - time.monotonic()))
            for key, _ in events:
                try:
                    chunk = os.read(key.fd, 65536)
                except OSError:  # the terminal of a program that ended
                    chunk = b""
                if not chunk:
                    return
                if key.fd == fd:
                    stream.feed(chunk)
                    due = due or time.monotonic() + SETTLE
                    continue
                *lines, typed = (typed + chunk).split(b"\n")
                for line in lines:
                    if line == b"/quit":
                        return
                    os.write(fd, line + b"\r")
            if due is not None and time.monotonic() >= due:
                due = None
                text = "\n".join(line.rstrip() for line in screen.display)
                if text != told:
                    told = text
                    print(json.dumps({"event": "screen", "text": text}), flush=True)


def main():
    with tempfile.TemporaryDirectory(prefix="parley-terminal-") as home:
        pid, fd = start(home, sys.argv[1:])
        try:
            follow(fd)
            try:
                os.write(fd, b"/quit\r")
            except OSError:
                pass
            if ended(pid, LEAVE):
                return
        except KeyboardInterrupt:
            pass
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


main()
