"""What the tests' servers and waits take for ready."""

from pathlib import Path

from ingest.stack import process


def test_a_server_that_has_answered_once_is_ready(tmp_path: Path) -> None:
    """Asked again it may be too busy to answer in time."""
    answers, log = iter([False, True]), tmp_path / "server.log"
    server = process.spawn(["sleep", "600"], tmp_path, log, linger=False)
    try:
        process.await_ready(server, lambda: next(answers, False), 60, log)
    finally:
        server.kill()
