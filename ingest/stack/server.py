"""What the four servers share: a directory, a port, a log, and being started, stopped and killed."""

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from ingest.stack import process
from ingest.stack.packages import Programs
from ingest.stack.process import Process

READY_SECONDS = 30.0
STOP_SECONDS = 20.0


class Server(ABC):
    """One server on the loopback interface; it ends nothing but the process it started."""

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, programs: Programs, directory: Path, port: int, *, linger: bool) -> None:
        self.programs = programs
        self.directory = directory
        self.port = port
        self.linger = linger
        self.process: Process | None = None

    @property
    def log_path(self) -> Path:
        """File with everything the server printed."""
        return self.directory / f"{self.name}.log"

    @property
    def working_directory(self) -> Path:
        """Directory the server is started in."""
        return self.directory

    @abstractmethod
    def command(self) -> list[str | Path]:
        """What starts the server in the foreground."""

    @abstractmethod
    def ready(self) -> bool:
        """True if it answers now."""

    def start(self) -> None:
        """It runs and answers; StackError with the end of its log if it does not within 30 s. Running: nothing happens."""
        if self.process and self.process.alive():
            return
        self.process = process.spawn(self.command(), self.working_directory, self.log_path, linger=self.linger)
        try:
            process.await_ready(self.process, self.ready, READY_SECONDS, self.log_path)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """It has ended in order, or been killed after 20 s."""
        if self.process:
            self.process.stop(self.stop_signal, STOP_SECONDS)

    def kill(self) -> None:
        """It has ended by SIGKILL, with every process it had started."""
        if self.process:
            self.process.kill()

    def restart(self) -> None:
        """Stopped in order and running again, on the same port with the same files."""
        self.stop()
        self.start()
