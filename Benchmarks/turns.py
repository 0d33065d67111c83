"""Runtimes in processes of their own, which take turns."""

import json
import os
import select
import subprocess
import time
from pathlib import Path

PAUSE = 0.01  # seconds between turns: threads of the runtime before stop spinning


class Failure(Exception):
    """A runtime that can not run a model, with its reason."""


class Runner:
    """One model in one runtime. Creating it waits for the first result."""

    def __init__(self, command, patience=600):
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)
        self.first = self._answer(patience)

    def _answer(self, patience):
        ready, _, _ = select.select([self.process.stdout], [], [], patience)
        line = self.process.stdout.readline() if ready else ""
        if not line.startswith("{"):
            self.process.kill()
            _, message = self.process.communicate()
            lines = [m for m in message.strip().splitlines() if m.strip()]
            raise Failure(lines[-1][:300] if lines else f"ended with {self.process.returncode}" if ready else "took too long")
        return json.loads(line)

    def run(self, seconds, command="run"):
        self.process.stdin.write(f"{command} {seconds}\n")
        self.process.stdin.flush()
        return self._answer(600)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def busy_elsewhere(seconds=0.2):
    """How many CPUs were busy, with this process and its children idle."""
    def busy():
        fields = [int(f) for f in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
        return sum(fields[:3]) + sum(fields[5:8])
    before, began = busy(), time.monotonic()
    time.sleep(seconds)
    return (busy() - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)


def wait_for_quiet(patience, most=0.15):
    """Waits until others leave the CPUs alone, at most `patience` seconds; returns how many CPUs they then use."""
    until = time.monotonic() + patience
    while (busy := busy_elsewhere()) > most and time.monotonic() < until:
        time.sleep(0.3)
    return busy


def take_turns(runners, seconds, rounds, command):
    """Rounds in which each runner runs for `seconds`, each first in turn; {name: [answers]}."""
    names = list(runners)
    answers = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names):] + names[:turn % len(names)]:
            time.sleep(PAUSE)
            answers[name].append(runners[name].run(seconds, command))
    return answers
