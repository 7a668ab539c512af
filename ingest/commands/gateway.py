"""`meterwarden gateway`: who may publish for an institution, in mosquitto's password file and access list. docs/gateways.md."""

import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from ingest import accounts
from ingest.accounts import Account
from ingest.commands.progress import json_option
from ingest.replaced import replaced
from ingest.stack.passwords import hashed
from ingest.words import both, words
from schemas.reading import CODE

PASSWORD_BYTES: Final = 24
RELOAD: Final = 'kill -HUP "$(pidof mosquitto)"'
_CODE: Final = re.compile(CODE).fullmatch


def _code(_context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    if given is not None and not _CODE(given):
        raise click.BadParameter(words(f"{given!r} is no code: {CODE}", f"{given!r} 不是有效编码:{CODE}"))
    if parameter.name == "institution" and given in (accounts.SERVICE_USER, accounts.CANARY_INSTITUTION):
        raise click.BadParameter(words(f"{given!r} is the service's own", f"{given!r} 为本服务保留"))
    return given


def _file(name: str, help_text: str, *, required: bool) -> Callable[[Any], Any]:
    return click.option(name, type=click.Path(dir_okay=False, path_type=Path), required=required, help=help_text)


INSTITUTION = click.argument("institution", callback=_code)
GATEWAY = click.argument("gateway", required=False, callback=_code)
PASSWORDS_TEXT: Final = both("mosquitto's password_file", "mosquitto 的 password_file")
ACCESS_TEXT: Final = both("mosquitto's acl_file", "mosquitto 的 acl_file")
PASSWORDS = _file("--password-file", PASSWORDS_TEXT, required=False)
PASSWORDS_NEEDED = _file("--password-file", PASSWORDS_TEXT, required=True)
ACCESS = _file("--acl-file", ACCESS_TEXT, required=False)


@click.group("gateway", help=both(
    "Users of the broker that publish readings: an institution's, or one gateway's.",
    "向消息代理发布读数的用户:机构用户或单个网关用户。"))  # fmt: skip
def gateway_group() -> None:
    """Users of the broker that publish readings."""


@gateway_group.command("add", help=both(
    "A user for INSTITUTION, who may publish all of it, or for its GATEWAY alone. Prints the password, once.",
    "为 INSTITUTION 建立用户(可发布该机构全部主题),或仅为其 GATEWAY 建立用户。口令只显示一次。"))  # fmt: skip
@INSTITUTION
@GATEWAY
@click.option("--whole-institution", is_flag=True, help=both(
    "a gateway that also publishes on the topics of meters and chargers", "该网关也在表计和充电桩自己的主题上发布"))  # fmt: skip
@PASSWORDS
@ACCESS
@json_option
def add(
    institution: str,
    gateway: str | None,
    whole_institution: bool,
    password_file: Path | None,
    acl_file: Path | None,
    json_wanted: bool,
) -> None:
    """A new user with a generated password."""
    if whole_institution and gateway is None:
        raise click.UsageError(words("--whole-institution is about a GATEWAY", "--whole-institution 需要 GATEWAY"))
    account = Account(institution, gateway, whole_institution)
    password, line = _generated(account.user)
    rules = [] if account.is_covered else account.rules
    if password_file is not None and password_file.exists():
        _added(_read(password_file), account.user, line)  # refused before anything is written
    if acl_file is not None:
        rules = _allow(acl_file, account)
    if password_file is not None:
        _change(password_file, lambda text: _added(text, account.user, line))
    _say(account, password, line, rules, [path for path in (acl_file, password_file) if path], json_wanted)


@gateway_group.command("list", help=both("Every user, and what it may publish by name.", "列出全部用户及其各自的授权规则。"))
@PASSWORDS_NEEDED
@ACCESS
@json_option
def list_users(password_file: Path, acl_file: Path | None, json_wanted: bool) -> None:
    """Every user of the password file; no password, nor its hash."""
    access = _read(acl_file) if acl_file else ""
    for user in accounts.users(_read(password_file)):
        rules = accounts.rules_of(access, user)
        click.echo(json.dumps({"user": user, "rules": rules}, ensure_ascii=False) if json_wanted else "  ".join([user, *rules]))


@gateway_group.command("rotate", help=both("Another password for a user that is there.", "为已有用户更换口令。"))
@INSTITUTION
@GATEWAY
@PASSWORDS_NEEDED
@json_option
def rotate(institution: str, gateway: str | None, password_file: Path, json_wanted: bool) -> None:
    """Another password, generated."""
    account = Account(institution, gateway)
    password, line = _generated(account.user)
    _change(password_file, lambda text: _rotated(text, account.user, line))
    _say(account, password, line, [], [password_file], json_wanted)


@gateway_group.command("remove", help=both("A user is no more, nor are its rules.", "删除用户及其授权规则。"))
@INSTITUTION
@GATEWAY
@PASSWORDS_NEEDED
@ACCESS
@json_option
def remove(institution: str, gateway: str | None, password_file: Path, acl_file: Path | None, json_wanted: bool) -> None:
    """A user less."""
    user = Account(institution, gateway).user
    _change(password_file, lambda text: accounts.without_user(_there(text, user), user))
    if acl_file is not None:
        _change(acl_file, lambda text: accounts.without_rules(text, user))
    if json_wanted:
        click.echo(json.dumps({"user": user, "removed": True}))
    else:
        click.echo(words(f"removed {user}", f"已删除 {user}"))
        _say_reload()


def _generated(user: str) -> tuple[str, str]:
    """A password, and the line of the password file that knows it."""
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    return password, f"{user}:{hashed(password)}"


def _added(text: str, user: str, line: str) -> str:
    if user in accounts.users(text):
        raise click.ClickException(words(f"{user} is there already: rotate its password", f"{user} 已存在:请用 rotate 更换口令"))
    return accounts.with_user(text, user, line.partition(":")[2])


def _rotated(text: str, user: str, line: str) -> str:
    return accounts.with_user(_there(text, user), user, line.partition(":")[2])


def _there(text: str, user: str) -> str:
    if user not in accounts.users(text):
        raise click.ClickException(words(f"there is no user {user}", f"没有用户 {user}"))
    return text


def _allow(path: Path, account: Account) -> list[str]:
    """Add what the access list lacks for an account; returns what was added."""
    lacking: list[str] = []

    def changed(text: str) -> str:
        if accounts.rules_of(text, account.user):
            raise click.ClickException(
                words(f"{path} has rules for {account.user} already", f"{path} 中已有 {account.user} 的规则")
            )
        if account.is_covered and accounts.has_pattern(text):
            return text
        lacking.extend(account.rules)
        return accounts.with_rules(text, account)

    _change(path, changed)
    return lacking


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: {error}") from error


def _change(path: Path, change: Callable[[str], str]) -> None:
    try:
        replaced(path, change)
    except PermissionError as error:
        advice = words("run this as root, or as the file's owner", "请以 root 或文件属主身份运行")
        raise click.ClickException(f"{path}: {error}; {advice}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: {error}") from error


def _say(account: Account, password: str, line: str, rules: list[str], written: list[Path], json_wanted: bool) -> None:
    """The only place where a password is shown; it is kept nowhere."""
    if json_wanted:
        told = {"user": account.user, "password": password, "password_line": line, "acl_lines": rules,
                "may_write": account.may_write, "written": [str(path) for path in written]}  # fmt: skip
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    click.echo(f"{words('user', '用户')}: {account.user}")
    click.echo(f"{words('password (shown this once)', '口令(仅显示这一次)')}: {password}")
    click.echo(f"{words('line of the password file', '口令文件行')}: {line}")
    if rules:
        click.echo(f"{words('lines of the access list', '访问控制行')}:")
        click.echo("\n".join(f"  {rule}" for rule in rules))
    elif account.is_covered:
        click.echo(words(f"access list: no line is needed beside `{accounts.PATTERN}`", f"访问控制:已有 `{accounts.PATTERN}` 即可"))
    for path in written:
        click.echo(f"{words('written', '已写入')}: {path}")
    _say_reload()


def _say_reload() -> None:
    click.echo(words(
        f"then, while the service is connected: {RELOAD}", f"然后在采集服务保持连接时执行:{RELOAD}"))  # fmt: skip
