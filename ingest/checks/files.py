"""Files that settings name: there, readable, not open to others."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ingest.checks.result import Result, Text, failed, good, warning
from ingest.settings import Settings
from ingest.tls import tls_context

OPEN_TO_ALL: Final = stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP
"""A group may read: that is how orchestrators hand secrets over."""
OPEN_TO_CHANGE: Final = stat.S_IWOTH | stat.S_IWGRP
CONTAINERS: Final = Path("/run/secrets")
"""Where engines mount secrets, with the mode that the file has outside. Whoever else is in the container may read them; closed to
others outside, they would be closed to the container's user (deploy/compose/secrets)."""


def check_files(settings: Settings) -> Iterator[Result]:
    """One result a file; of TLS, one more for whether its files can be used together."""
    secrets = {
        "METERWARDEN_BROKER__PASSWORD_FILE": settings.broker.password_file,
        "METERWARDEN_DATABASE__PASSWORD_FILE": settings.database.password_file,
        "METERWARDEN_BROKER__TLS_KEY_FILE": settings.broker.tls_key_file or settings.broker.tls_certificate_file,
    }
    named = {name: path for name, path in secrets.items() if path is not None}
    for name, path in named.items():
        yield _secret(name, path)
    if settings.broker.tls_ca_file is not None:
        yield _tls(settings)
    if not named:
        yield good("files", "no setting names a file with a secret", "没有设置指向密码文件")


def _secret(name: str, path: Path) -> Result:
    check = f"file.{name.removeprefix('METERWARDEN_').lower()}"
    try:
        content, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        found = Text(f"{name}: {path}: {error.strerror}", f"{name}: {path}: 无法读取({error.strerror})")
        return failed(check, found, Text("create the file, or let the service's user read it", "请创建该文件,或允许服务的用户读取"))
    if not content.strip():
        return failed(check, Text(f"{path} is empty", f"{path} 为空"), Text("write the secret into it", "请写入密码或密钥"))
    if mode & (OPEN_TO_CHANGE if path.is_relative_to(CONTAINERS) else OPEN_TO_ALL):
        found = Text(f"{path} has mode {stat.S_IMODE(mode):04o}: others may read or change it",
                     f"{path} 的权限为 {stat.S_IMODE(mode):04o}: 他人可读或可改")  # fmt: skip
        return warning(check, found, Text(f"chmod 0600 {path}", f"请执行 chmod 0600 {path}"))
    return good(check, f"{path} readable, mode {stat.S_IMODE(mode):04o}", f"{path} 可读,权限 {stat.S_IMODE(mode):04o}")


def _tls(settings: Settings) -> Result:
    try:
        tls_context(settings.broker)
    except OSError as error:
        remedy = Text("name PEM files that belong together", "请指定相互匹配的 PEM 文件")
        return failed("file.tls", Text(str(error), f"TLS 文件不可用: {error}"), remedy)
    return good("file.tls", "the TLS files can be used", "TLS 文件可用")
