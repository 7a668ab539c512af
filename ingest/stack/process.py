"""Processes of the stack: started as an unprivileged user, recognised by pid and start time, ended with a bound."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ingest.stack.errors import OWN_SERVERS, StackError
from ingest.stack.places import UNPRIVILEGED_USER

UNPRIVILEGED_GROUP = "nogroup"
POLL_SECONDS = 0.01
KILL_SECONDS = 10.0
RUN_SECONDS = 60
LAST_LINES = 20
# Servers need no more of the caller's environment; a locale or an OpenSSL file of the machine would only disturb them.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "GMT", "OPENSSL_CONF": "/dev/null"}


@dataclass(frozen=True, slots=True)
class Process:
    """One process, told apart from a later one with the same pid by its start time in clock ticks since boot."""

    pid: int
    start_ticks: int

    @classmethod
    def of(cls, pid: int) -> "Process":
        """The process that has this pid now; ProcessLookupError when there is none."""
        found = _stat(pid)
        if found is None:
            raise ProcessLookupError(pid)
        return cls(pid, found.start_ticks)

    def alive(self) -> bool:
        """True while it runs; a child of ours that ended is reaped on the way."""
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)
        found = _stat(self.pid)
        return found is not None and found.start_ticks == self.start_ticks and found.state not in "ZX"

    def send(self, number: signal.Signals) -> None:
        """The signal is sent, if this very process still runs."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def stop(self, number: signal.Signals, seconds: float) -> None:
        """It has ended: in its own order within these seconds, else killed with its descendants."""
        self.send(number)
        if not wait_until(lambda: not self.alive(), seconds):
            self.kill()

    def kill(self) -> None:
        """It and all its descendants have ended by SIGKILL. PostgreSQL's are sessions of their own: no group holds them."""
        self.send(signal.SIGSTOP)  # so that it starts no further one while its descendants are listed
        family = [self, *_descendants(self.pid)] if self.alive() else []
        for member in family:
            member.send(signal.SIGKILL)
        if not wait_until(lambda: not any(member.alive() for member in family), KILL_SECONDS):
            raise StackError(f"process {self.pid} does not end even by SIGKILL: see what it waits for with ps")


def spawn(command: Sequence[str | Path], directory: Path, log_path: Path, *, linger: bool) -> Process:
    """The command, running in the directory as the unprivileged user, its output appended to the log.

    It dies with this Python process, however that ends; with `linger` it outlives it.
    """
    return _spawner(os.getpid()).submit(_spawn, command, directory, log_path, linger).result()


def run(command: Sequence[str | Path], directory: Path) -> None:
    """The command has ended well, as the unprivileged user in this directory; StackError shows its last lines if not."""
    done = subprocess.run(
        _unprivileged(command), cwd=directory, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=RUN_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        said = "\n  ".join(done.stdout.splitlines()[-LAST_LINES:])
        raise StackError(f"{Path(command[0]).name} failed with status {done.returncode}:\n  {said}\n{_ADVICE}")


def await_ready(process: Process, ready: Callable[[], bool], seconds: float, log_path: Path) -> None:
    """The server is ready; StackError shows the end of its log when it died or took longer than these seconds."""
    wait_until(lambda: ready() or not process.alive(), seconds)
    if process.alive() and ready():
        return
    what = f"is not ready after {seconds:.0f} s" if process.alive() else "ended while starting"
    last = "\n  ".join(log_path.read_text(errors="replace").splitlines()[-LAST_LINES:])
    raise StackError(f"{log_path.stem} {what}; the end of {log_path}:\n  {last}\n{_ADVICE}")


_ADVICE = f"mend what the lines above name and try again, or {OWN_SERVERS}"


def wait_until(holds: Callable[[], bool], seconds: float) -> bool:
    """True as soon as it holds; False when it does not within these seconds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _spawn(command: Sequence[str | Path], directory: Path, log_path: Path, linger: bool) -> Process:
    bound = [] if linger else ["--pdeathsig", "KILL"]
    with log_path.open("ab") as log:
        child = subprocess.Popen(
            _unprivileged(command, bound), cwd=directory, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True,  # a Ctrl-C at the terminal is for us to answer
        )  # fmt: skip
    process = Process.of(child.pid)
    child.returncode = 0  # Popen's part ends here: `Process.alive` reaps, also what another process of ours started
    return process


@cache
def _spawner(_of_pid: int) -> ThreadPoolExecutor:
    # The kernel sends the parent-death signal when the *thread* that started the child ends, so servers are started from
    # one thread that lasts as long as the process; per pid, since a fork has no copy of the thread.
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="stack-spawner")


def _unprivileged(command: Sequence[str | Path], bound: Sequence[str] = ()) -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise StackError(f"setpriv not found: apt-get install util-linux, or {OWN_SERVERS}")
    user = ["--reuid", UNPRIVILEGED_USER, "--regid", UNPRIVILEGED_GROUP, "--clear-groups"] if os.geteuid() == 0 else []
    return [setpriv, *user, *bound, "--", *map(str, command)]


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    parent_pid: int
    start_ticks: int


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks; proc(5): state is field 3, start 22
    return _Stat(fields[0], int(fields[1]), int(fields[19]))


def _descendants(pid: int) -> list[Process]:
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    stats = {each: found for each in pids if (found := _stat(each))}
    family = {pid}
    while more := {each for each, found in stats.items() if found.parent_pid in family} - family:
        family |= more
    return [Process(each, stats[each].start_ticks) for each in family - {pid}]
