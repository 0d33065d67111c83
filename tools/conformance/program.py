"""modelconv as a long-lived process that converts and runs one model after the other.

`modelconv run --batch -` reads a JSON object a line and answers each with one (Sources/modelconv/JSON.md, apus.batch). A process
that dies or hangs is seen, told as the result of the request that it had, and replaced for the next one.
"""

import json
import os
import select
import signal
import subprocess
import tempfile


class Program:
    """One process. Not to be shared by threads."""

    def __init__(self, modelconv, arguments=(), environment=None):
        self.command = [modelconv, "run", "--batch", "-", *arguments]
        # A crash has to be told at once, without a backtrace of half a minute.
        self.environment = {**os.environ, "SWIFT_BACKTRACE": "enable=no", **(environment or {})}
        self.process = None
        self.messages = None

    def start(self):
        self.messages = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.messages, env=self.environment)

    def stop(self, kill=False):
        if self.process is None:
            return ""
        if kill:
            self.process.kill()
        self.process.stdin.close()
        code = self.process.wait()
        self.process.stdout.close()
        self.process = None
        self.messages.seek(0, os.SEEK_END)
        self.messages.seek(max(0, self.messages.tell() - 400))
        text = self.messages.read().decode(errors="replace").strip().replace("\n", " | ")
        self.messages.close()
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"{name}: {text}" if text else name

    def run(self, model, inputs, folder, timeout):
        """Converts and runs `model`; its outputs become output_0.pb ... in `folder`.

        Returns (result, message); result is `ran`, `unsupported`, `error`, `crash` or `timeout`.
        """
        if self.process is None:
            self.start()
        request = json.dumps({"model": model, "inputs": inputs, "output_dir": folder}) + "\n"
        try:
            self.process.stdin.write(request.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return "crash", self.stop()
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        if not ready:
            self.stop(kill=True)
            return "timeout", f"no answer within {timeout:g} s"
        line = self.process.stdout.readline()
        if not line:
            return "crash", self.stop()
        answer = json.loads(line)
        return {0: "ran", 3: "unsupported"}.get(answer["exit_code"], "error"), answer["message"]
