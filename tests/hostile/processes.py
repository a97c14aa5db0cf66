"""Real sprat processes for `run` and `selftest`: in a folder of their own, ended with it, and never
waited for without a deadline."""

import atexit
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SHARE_TIMEOUT = 60
INSIDE = "SPRAT_TESTS_INSIDE"


def enter_namespace():
    """Starts this program again in a network namespace of its own, if that can be; whether it is in
    one. The namespace ends with the program, and its loopback addresses are nobody else's."""
    if not os.environ.get(INSIDE):
        words = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "-r", "--net"]
        possible = shutil.which("ip") and shutil.which("unshare") and subprocess.run(
            [*words, "true"], capture_output=True).returncode == 0
        os.environ[INSIDE] = "namespace" if possible else "host"
        if possible:
            os.execvp(words[0], [*words, sys.executable, *sys.argv])
    if os.environ[INSIDE] == "namespace":
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return os.environ[INSIDE] == "namespace"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class Processes:
    """The processes of one scenario, and their folder."""

    def __init__(self, sprat):
        self.sprat = os.path.realpath(sprat)
        self.place = tempfile.mkdtemp(prefix="sprat-hostile-")
        self.all, self.count = [], 0
        atexit.register(self.end)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        for process in self.all:
            process.kill()
            process.wait()
        self.all = []
        shutil.rmtree(self.place, ignore_errors=True)
        atexit.unregister(self.end)

    def file(self, mib, name="file"):
        """A file of random bytes: its path."""
        path = f"{self.place}/{name}"
        with open(path, "wb") as file:
            for _ in range(mib):
                file.write(os.urandom(1 << 20))
        return path

    def start(self, command, *words):
        """Runs `sprat COMMAND` with a state folder of its own; its output goes to `log`."""
        self.count += 1
        process_place = f"{self.place}/{self.count}"
        os.mkdir(process_place)
        line = [self.sprat, command, "-d", f"{process_place}/state", *map(str, words)]
        with open(f"{process_place}/log", "wb") as log:
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       cwd=process_place)
        process.place, process.log = process_place, f"{process_place}/log"
        self.all.append(process)
        return process

    def log(self, process):
        with open(process.log, errors="replace") as log:
            return log.read()

    def await_word(self, process, word, timeout=SHARE_TIMEOUT):
        """Waits until the process has said a word: the first line with it."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            lines = [line for line in self.log(process).splitlines() if word in line]
            if lines:
                return lines[0]
            if process.poll() is not None:
                break
            time.sleep(0.01)
        raise RuntimeError(f"it does not say {word!r}: {self.log(process)[-500:]}")

    def share(self, address, path, *words):
        """Shares a file at an address: the process and its link."""
        at = listen_at(address)
        process = self.start("share", "-v", "--no-lan", "-l", at, *words, path)
        line = self.await_word(process, "magnet:", SHARE_TIMEOUT)
        return process, next(word for word in line.split() if word.startswith("magnet:"))

    def get(self, address, link, *words):
        """Starts to fetch the file of a link: the process; the file will be at `.got`."""
        self.count += 1
        got = f"{self.place}/got{self.count}"
        at = listen_at(address)
        process = self.start("get", "-v", "--no-lan", "-l", at, "-o", got, *words, link)
        process.got, process.began = got, time.monotonic()
        return process

    def stop(self, process, timeout=10):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_end(process, timeout):
    """The seconds that a process took, or None when it was still there after `timeout`."""
    began = time.monotonic()
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        return None
    return time.monotonic() - getattr(process, "began", began)


def listen_at(address):
    ip, port = address
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def program(arguments):
    """The sprat to test, or the end of this program where there is none."""
    path = arguments.sprat
    if not os.access(path, os.X_OK):
        sys.exit(f"there is no program at {path}: cargo build --release, or --sprat PATH")
    return path
