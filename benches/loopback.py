"""Sprats on loopback as processes of this script: to start, to hear, to look at from outside.

This script reads /proc for their figures, so that the programs under measurement need no switch for it.
"""

import os
import re
import signal
import subprocess
import time

DEADLINE = 60


class Sprat:
    """One running sprat; its state, and what it says, lie in a folder of its own."""

    def __init__(self, program, place, words):
        os.makedirs(place, exist_ok=True)
        self.said = os.path.join(place, "said")
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("SPRAT_") and key != "RUST_LOG"}
        with open(self.said, "w") as said:
            self.process = subprocess.Popen(
                [program, *words], cwd=place, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                env={**environment, "HOME": place})
        self.pid = self.process.pid

    def line(self, pattern):
        """Waits for a line that matches: its groups, or the match."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            with open(self.said) as said:
                text = said.read()
            match = re.search(pattern, text, re.MULTILINE)
            if match:
                return match
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"{self.process.args} did not say {pattern!r}: {text}")

    def address(self):
        return self.line(r"^sprat: listening on (\S+)$")[1]

    def link(self):
        return self.line(r"^magnet:.*$")[0]

    def is_running(self):
        return self.process.poll() is None

    def end(self, how=signal.SIGTERM):
        """Ends it, and says with which code."""
        if self.is_running():
            self.process.send_signal(how)
        try:
            return self.process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise RuntimeError(f"{self.process.args} did not end")

    def end_after(self, seconds):
        """Kills it after a while, if it still runs."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(DEADLINE)

    # -- from outside

    def memory(self):
        """Resident KiB."""
        return self._status("status", "VmRSS")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def threads(self):
        return self._status("status", "Threads")

    def wakeups(self):
        """How often its threads have waited since it started: each wait ends with a wake-up."""
        tasks = os.listdir(f"/proc/{self.pid}/task")
        return sum(self._status(f"task/{task}/status", "voluntary_ctxt_switches") for task in tasks)

    def written(self):
        """Bytes given to the disk, and bytes given to `write` at all."""
        return self._status("io", "write_bytes"), self._status("io", "wchar")

    def _status(self, file, name):
        with open(f"/proc/{self.pid}/{file}") as status:
            for line in status:
                key, _, value = line.partition(":")
                if key == name:
                    return int(value.split()[0])
        raise RuntimeError(f"/proc/{self.pid}/{file} does not say {name}")
