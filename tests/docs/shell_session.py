"""Commands of a document, run one after the other in one shell, and their output held against what
the document shows."""

import os
import re
import secrets
import select
import signal
import subprocess
import time

PLACEHOLDER = re.compile(r"<([a-z]+)>")


def _pattern(shown):
    """The regular expression of a shown line: blanks match blanks however many, `...` anything,
    `<name>` a word."""
    pattern = ""
    names = []
    for piece in re.split(r"(\s+|\.\.\.|<[a-z]+>)", shown.strip()):
        placeholder = PLACEHOLDER.fullmatch(piece)
        if placeholder:
            names.append(placeholder.group(1))
            pattern += r"([^\s|]+?)"
        elif piece == "...":
            pattern += r".*?"
        elif piece.isspace():
            pattern += r"\s+"
        else:
            pattern += re.escape(piece)
    # What stands for the rest of a line may be nothing at all, with the blanks before it.
    pattern = re.sub(r"\\s\+\.\*\?$", r"(?:\\s.*)?", pattern)
    return re.compile(r"\s*" + pattern + r"\s*"), names


def match_shown(shown_lines, output, remembered):
    """Finds each shown line in the output, each output line used once, in any order (steps run in
    parallel). Remembers what placeholders stood for. Returns the first shown line that isn't there,
    or None."""
    left = output.split("\n")
    for shown in shown_lines:
        if not shown.strip() or shown.strip() == "...":
            continue
        pattern, names = _pattern(shown)
        for i, line in enumerate(left):
            match = pattern.fullmatch(line)
            # A name that is known stands for what it stood for, if any line has it so.
            if match and all(remembered.get(n, v) == v for n, v in zip(names, match.groups())):
                break
        else:
            for i, line in enumerate(left):
                match = pattern.fullmatch(line)
                if match:
                    break
            else:
                return shown
        remembered.update(zip(names, match.groups()))
        del left[i]
    return None


class ShellSession:
    """One bash. Its folder, variables and functions stay from command to command."""

    def __init__(self, argv_prefix, cwd, env):
        self._shell = subprocess.Popen(
            argv_prefix + ["bash", "--noprofile", "--norc"], cwd=cwd, env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True)

    def run(self, command, timeout):
        """The command's output (both streams) and exit status."""
        marker = f"--{secrets.token_hex(8)}--"
        script = f"{{ {command}\n}} </dev/null 2>&1\nprintf '%s %s\\n' {marker} $?\n"
        self._shell.stdin.write(script.encode())
        self._shell.stdin.flush()
        output = b""
        deadline = time.monotonic() + timeout
        while True:
            end = re.search(re.escape(marker).encode() + rb" (\d+)\n$", output)
            if end:
                return output[:end.start()].decode(errors="replace"), int(end.group(1))
            ready, _, _ = select.select([self._shell.stdout], [], [],
                                        max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"`{command}` has not ended after {timeout} s; it said:\n"
                                     f"{output.decode(errors='replace')}")
            piece = os.read(self._shell.stdout.fileno(), 65536)
            if not piece:
                raise AssertionError(f"`{command}` ended the shell; it said:\n"
                                     f"{output.decode(errors='replace')}")
            output += piece

    def close(self):
        try:
            os.killpg(self._shell.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self._shell.stdin.close()
        self._shell.wait(30)
        self._shell.stdout.close()
