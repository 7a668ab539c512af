"""The stack that outlives the command which started it: `meterwarden stack up`, `down` and `env`."""

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import Signals

from ingest.stack import places
from ingest.stack.errors import StackError
from ingest.stack.mosquitto import INGEST_USER, SIMULATOR_USER
from ingest.stack.ports import free_port
from ingest.stack.process import Process
from ingest.stack.server import STOP_SECONDS, Server
from ingest.stack.stack import NO_RULES, Stack

INTERVAL = "5s"  # somebody is watching
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Running:
    """One server of a lingering stack: its process and the signal that ends it in order."""

    name: str
    pid: int
    start_ticks: int
    stop_signal: int

    @classmethod
    def of(cls, server: Server) -> "Running":
        """The server's present process."""
        if server.process is None:
            raise StackError(f"{server.name} was never started")
        return cls(server.name, server.process.pid, server.process.start_ticks, int(server.stop_signal))

    @property
    def process(self) -> Process:
        """The process, told apart from a later one with the same pid."""
        return Process(self.pid, self.start_ticks)


@dataclass(frozen=True, slots=True)
class State:
    """What another process needs to use a lingering stack, and to end it."""

    boot_id: str
    directory: str
    servers: tuple[Running, ...]
    superuser_url: str
    broker_port: int
    ingest_password_file: str
    simulator_password_file: str
    prometheus_url: str
    alertmanager_url: str
    http_port: int = 9464
    """Where Prometheus looks for the service."""


def stack_up(say: Callable[[str], None], rules: str = NO_RULES) -> State:
    """A lingering stack is up: the one there is, or a new one. What a crash left of an earlier one is cleaned away."""
    path = places.state_path()
    with places.exclusive(path.with_suffix(".lock"), "METERWARDEN_STACK_STATE"):
        state = _read(path)
        if state and _all_alive(state):
            say(f"the stack is already up, in {state.directory}")
            return state
        if state:
            say(f"cleaning up what is left of the stack in {state.directory}")
            _end(state, path)
        return _start(path, say, rules)


def stack_keep(stack: Stack) -> State:
    """This running stack, created with `linger`, is now the one that `stack_down` ends; StackError if there is another."""
    path = places.state_path()
    with places.exclusive(path.with_suffix(".lock"), "METERWARDEN_STACK_STATE"):
        other = _read(path)
        if other and _all_alive(other):
            raise StackError(f"a stack is already up, in {other.directory}: end it with `meterwarden stack down`")
        if other:
            _end(other, path)
        return _remember(stack, path)


def stack_down(say: Callable[[str], None]) -> bool:
    """No lingering stack is up, and its run directory is gone; False if there was none. Ends only what `stack_up` started."""
    path = places.state_path()
    with places.exclusive(path.with_suffix(".lock"), "METERWARDEN_STACK_STATE"):
        state = _read(path)
        if state is None:
            say("no stack is up")
            return False
        _end(state, path)
        say(f"the stack in {state.directory} is down")
        return True


def stack_state() -> State | None:
    """The lingering stack that is up now, or None."""
    state = _read(places.state_path())
    return state if state and _all_alive(state) else None


def stack_env(state: State) -> str:
    """Shell lines that point the service, the simulator and the tests at this stack: eval "$(meterwarden stack env)".

    The service is to serve its metrics where Prometheus looks for them.
    """
    variables = {
        "METERWARDEN_SUPERUSER_URL": state.superuser_url,
        "METERWARDEN_BROKER__HOST": "127.0.0.1",
        "METERWARDEN_BROKER__PORT": str(state.broker_port),
        "METERWARDEN_BROKER__USERNAME": INGEST_USER,
        "METERWARDEN_BROKER__PASSWORD_FILE": state.ingest_password_file,
        "METERWARDEN_SIMULATOR_PORT": str(state.broker_port),
        "METERWARDEN_SIMULATOR_USERNAME": SIMULATOR_USER,
        "METERWARDEN_SIMULATOR_PASSWORD_FILE": state.simulator_password_file,
        "METERWARDEN_HTTP__PORT": str(state.http_port),
        "METERWARDEN_PROMETHEUS_URL": state.prometheus_url,
        "METERWARDEN_ALERTMANAGER_URL": state.alertmanager_url,
    }
    return "".join(f"export {name}={shlex.quote(setting)}\n" for name, setting in variables.items())


def _start(path: Path, say: Callable[[str], None], rules: str) -> State:
    stack = Stack.create(say=say, linger=True, rules=rules, evaluation_interval=INTERVAL, scrape_interval=INTERVAL).up()
    try:
        state = _remember(stack, path)
    except BaseException:
        stack.down()
        raise
    say(f"the stack is up, in {state.directory}")
    return state


def _remember(stack: Stack, path: Path) -> State:
    state = _describe(stack, free_port())
    assert stack.prometheus is not None
    stack.prometheus.scrape("meterwarden", state.http_port)
    places.write_secret(path, json.dumps(asdict(state), indent=2) + "\n")
    return state


def _describe(stack: Stack, http_port: int) -> State:
    assert stack.prometheus is not None
    assert stack.alertmanager is not None
    return State(
        boot_id=_boot_id(),
        directory=str(stack.directory),
        servers=tuple(Running.of(server) for server in stack.servers),
        superuser_url=stack.postgres.url(),
        broker_port=stack.mosquitto.port,
        ingest_password_file=str(stack.password_file(INGEST_USER)),
        simulator_password_file=str(stack.password_file(SIMULATOR_USER)),
        prometheus_url=f"http://127.0.0.1:{stack.prometheus.port}",
        alertmanager_url=f"http://127.0.0.1:{stack.alertmanager.port}",
        http_port=http_port,
    )


def _end(state: State, path: Path) -> None:
    if state.boot_id == _boot_id():  # start times count from boot: before this one they name nobody
        for server in reversed(state.servers):
            server.process.stop(Signals(server.stop_signal), STOP_SECONDS)
    if Path(state.directory).name.startswith(places.RUN_PREFIX):
        places.remove(Path(state.directory))
    path.unlink(missing_ok=True)


def _all_alive(state: State) -> bool:
    return state.boot_id == _boot_id() and all(server.process.alive() for server in state.servers)


def _read(path: Path) -> State | None:
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        return State(**{**written, "servers": tuple(Running(**server) for server in written["servers"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise StackError(f"{path} cannot be read ({error!r}): stop the servers it names, then delete it") from error


def _boot_id() -> str:
    return BOOT_ID.read_text().strip()
