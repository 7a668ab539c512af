"""`meterwarden migrate` and `meterwarden bootstrap`: a database and its structure."""

import asyncio
import json
import shlex
import sys
from pathlib import Path
from typing import Final

import click
import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from ingest.commands.progress import json_option, step
from ingest.storage.bootstrap import PasswordsElsewhere, prepare
from ingest.storage.connection import connection_string
from ingest.storage.migrate import MigrationFault, applied, migrate, pending
from ingest.words import both, translated, words

PASSWORD_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
FILE_HELP: Final = both("file with its password, so that the URL need not hold it", "存放其密码的文件,地址中即可不写密码")


@click.command("migrate", help=both("Bring the database's structure up to this version.", "将数据库结构升级到本版本。"))
@click.option(
    "--url",
    envvar="METERWARDEN_OWNER_URL",
    required=True,
    show_envvar=True,
    help=both("the database, as meterwarden_owner", "数据库地址,以 meterwarden_owner 登录"),
)
@click.option("--password-file", envvar="METERWARDEN_OWNER_PASSWORD_FILE", show_envvar=True, type=PASSWORD_FILE, help=FILE_HELP)
@click.option(
    "--check",
    is_flag=True,
    help=both("change nothing; exit status 1 where a migration is missing", "不做更改;缺少迁移时退出码为 1"),
)
@json_option  # fmt: skip
def migrate_command(url: str, password_file: Path | None, check: bool, json_wanted: bool) -> None:
    """Migrate, or say what is missing."""
    try:
        with step("migrating", "正在迁移"):
            names = asyncio.run(_migrate(with_password(url, password_file), check=check))
    except MigrationFault as error:
        raise click.ClickException(str(error)) from error
    except psycopg.Error as error:
        advice = words(
            "Check --url, and that `meterwarden bootstrap` has run.", "请检查 --url,并确认已执行 `meterwarden bootstrap`。"
        )
        raise click.ClickException(f"{error}\n{advice}") from error
    if json_wanted:
        click.echo(json.dumps({"missing" if check else "applied": names}))
    else:
        _tell(names, check=check)
    sys.exit(1 if check and names else 0)


def _tell(names: list[str], *, check: bool) -> None:
    for name in names:
        click.echo(f"{words('missing', '缺少') if check else words('applied', '已执行')} {name}")
    if not names:
        click.echo(words("up to date", "已是最新"))


async def _migrate(url: str, *, check: bool) -> list[str]:
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        if check:
            return [migration.name for migration in pending(await applied(connection))]
        return await migrate(connection)


@click.command(
    short_help=both("Create database, roles and passwords", "创建数据库、角色与密码"),
    help=both(
        "Create database, extension and the three roles with generated passwords, migrate, and print the settings to use.",
        "创建数据库、扩展和三个角色(密码自动生成),执行迁移,并输出应使用的设置。",
    ),
)
@click.option(
    "--superuser-url",
    envvar="METERWARDEN_SUPERUSER_URL",
    required=True,
    show_envvar=True,
    help=both("the server, as superuser", "服务器地址,以超级用户登录"),
)
@click.option(
    "--superuser-password-file",
    envvar="METERWARDEN_SUPERUSER_PASSWORD_FILE",
    show_envvar=True,
    type=PASSWORD_FILE,
    help=FILE_HELP,
)
@click.option("--database", default="meterwarden", show_default=True, help=both("name of the database", "数据库名称"))
@click.option(
    "--passwords",
    type=click.Path(path_type=Path),
    default=Path("passwords"),
    show_default=True,
    help=both(
        "directory to keep them in, files 0600; run again, the same one", "存放密码的目录,文件权限 0600;再次执行时须为同一目录"
    ),
)
@json_option  # fmt: skip
def bootstrap(superuser_url: str, superuser_password_file: Path | None, database: str, passwords: Path, json_wanted: bool) -> None:
    """Prepare a database."""
    try:
        with step("preparing the database", "正在准备数据库"):
            superuser = with_password(superuser_url, superuser_password_file)
            prepared = asyncio.run(prepare(superuser, database, passwords.absolute()))
    except psycopg.Error as error:
        advice = words("Check --superuser-url, and that the server has TimescaleDB 2.19 or newer.",
                       "请检查 --superuser-url,并确认服务器有 TimescaleDB 2.19 或更新版本。")  # fmt: skip
        raise click.ClickException(f"{error}\n{advice}") from error
    except PasswordsElsewhere as error:
        raise click.ClickException(words(
            f"{error}: there already, and {passwords} does not hold the passwords; name the directory of the first time with "
            "--passwords, or have new ones made: ALTER ROLE ... PASSWORD NULL first",
            f"{error}: 角色已存在,而 {passwords} 中没有其密码;请用 --passwords 指定首次所用的目录,"
            "若要更换密码,请先执行 ALTER ROLE ... PASSWORD NULL")) from error  # fmt: skip
    except MigrationFault as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        advice = words("Name another directory with --passwords.", "请用 --passwords 换一个目录。")
        raise click.ClickException(f"{error}\n{advice}") from error
    if json_wanted:
        click.echo(json.dumps(prepared.environment))
        return
    for name, value in prepared.environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def with_password(url: str, file: Path | None) -> str:
    """The connection string, with the password in the file. Ends the command where it is none, without repeating it."""
    try:
        connection_string(url)
    except ValueError as error:
        raise click.ClickException(translated(str(error))) from error
    return url if file is None else make_conninfo(url, password=file.read_text(encoding="utf-8").strip())
