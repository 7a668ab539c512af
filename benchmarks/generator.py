"""The load generator as a process of its own: PORT PASSWORD_FILE MESSAGES READINGS_EACH METERS START."""

import asyncio
import sys
from datetime import datetime
from pathlib import Path

from simulators.load import Load, generate
from simulators.session import Broker


def main() -> None:
    """Publish a load and say how fast."""
    port, password_file, messages, each, meters, start = sys.argv[1:]
    broker = Broker("127.0.0.1", int(port), "simulator", Path(password_file).read_text(encoding="utf-8").strip())
    measured = asyncio.run(generate(Load(int(messages), int(each), int(meters), datetime.fromisoformat(start)), broker))
    print(f"  generator: {measured.messages_per_second:,.0f} messages/s")


if __name__ == "__main__":
    main()
