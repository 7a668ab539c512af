"""`python -m ingest.web.probe readyz`: exit status 0 where the service on this machine answers 200, else 1.

For containers, whose image needs no curl then. It runs every few seconds, so it imports nothing of the service.
"""

import http.client
import os
import sys
from typing import Final

PORT: Final = "9464"
"""The service's own default."""
ANSWER_SECONDS: Final = 4.0


def answers(path: str, port: int) -> bool:
    """Whether the page is there and says 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)  # no proxy comes between
    try:
        connection.request("GET", f"/{path}")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    page = sys.argv[1] if len(sys.argv) > 1 else "livez"
    sys.exit(0 if answers(page, int(os.environ.get("METERWARDEN_HTTP__PORT", PORT))) else 1)
