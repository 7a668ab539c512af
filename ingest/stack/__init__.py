"""Real servers for the demo and the tests, without root, Docker or a change to the machine's packages.

    packages  Debian's packages in a cache      apt                       resolve and download
                                                prefix, relocation        unpack, and run where it lies
    stack     the servers together              postgres, mosquitto, prometheus   one server each, on
                                                server, process                   start, stop, kill; as whom, bound to whom
    state     the stack that outlives `meterwarden stack up`
    places    cache, run directory, state file  ports, errors

Everything that can go wrong on somebody's machine is a StackError that says what to do next.
"""

from ingest.stack.errors import StackError
from ingest.stack.mosquitto import Mosquitto, Tls
from ingest.stack.packages import Programs, programs
from ingest.stack.ports import free_port
from ingest.stack.postgres import Postgres
from ingest.stack.prometheus import Alertmanager, Prometheus
from ingest.stack.stack import Stack
from ingest.stack.state import State, stack_down, stack_env, stack_keep, stack_state, stack_up

__all__ = [
    "Alertmanager",
    "Mosquitto",
    "Postgres",
    "Programs",
    "Prometheus",
    "Stack",
    "StackError",
    "State",
    "Tls",
    "free_port",
    "programs",
    "stack_down",
    "stack_env",
    "stack_keep",
    "stack_state",
    "stack_up",
]
