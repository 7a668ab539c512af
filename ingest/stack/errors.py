"""The one error the embedded stack raises."""

OWN_SERVERS = (
    "run servers of your own (PostgreSQL 17 with TimescaleDB 2.19 or later, mosquitto 2) and set "
    "METERWARDEN_SUPERUSER_URL, METERWARDEN_BROKER__HOST and METERWARDEN_BROKER__PORT"
)


class StackError(Exception):
    """The stack cannot do what was asked; the text says why, and what to do next."""
