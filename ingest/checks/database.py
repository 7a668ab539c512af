"""Judges what was seen of the database. Pure."""

from collections.abc import Iterator
from typing import Final

from ingest.checks.result import Result, Text, failed, good, warning
from ingest.storage.probe import Seen

OLDEST_SERVER: Final = 160_000
OLDEST_EXTENSION: Final = (2, 19)
GIB: Final = 1024**3
FEWEST_BYTES: Final = GIB
"""Free disk below this fails."""
FEW_BYTES: Final = 10 * GIB
"""Free disk below this is told."""
CLOCK_WARNING_SECONDS: Final = 2.0
CLOCK_FAILED_SECONDS: Final = 60.0
"""Hours are closed and readings from the future refused by these clocks."""
SHOWN: Final = 5
"""So many of a list are shown."""


def check_database(seen: Seen) -> Iterator[Result]:
    """One result a thing that can be known; what comes after a failure is left out."""
    if seen.failure:
        yield _unreached(seen.failure)
        return
    yield good("database.connect", f"connected as {seen.role}", f"已以 {seen.role} 连接")
    yield _version(seen)
    yield _extension(seen)
    yield _writable(seen)
    yield _clock(seen.clock_seconds)
    yield _disk(seen)
    yield _migrations(seen)
    if seen.missing_migrations or seen.is_read_only:
        return
    yield from _privileges(seen)
    if seen.zone_faults is not None and seen.counts is not None:
        yield _zones(seen.zone_faults)
        yield _registry(*seen.counts)


def _unreached(failure: str) -> Result:
    said = failure.removeprefix("database: ")
    remedy = Text(
        "check that it runs, and METERWARDEN_DATABASE__URL and the firewall",
        "请确认它在运行,并检查 METERWARDEN_DATABASE__URL 与防火墙",
    )
    if "password" in said or "authentication" in said:
        remedy = Text("correct the role in METERWARDEN_DATABASE__URL and the content of METERWARDEN_DATABASE__PASSWORD_FILE",
                      "请修正 METERWARDEN_DATABASE__URL 中的角色与 METERWARDEN_DATABASE__PASSWORD_FILE 的内容")  # fmt: skip
    elif "does not exist" in said:
        remedy = Text("create it with `meterwarden bootstrap`, or correct METERWARDEN_DATABASE__URL",
                      "请用 `meterwarden bootstrap` 创建,或修正 METERWARDEN_DATABASE__URL")  # fmt: skip
    return failed("database.connect", Text(said, f"无法连接: {said}"), remedy)


def _version(seen: Seen) -> Result:
    if seen.version_number < OLDEST_SERVER:
        remedy = Text("use PostgreSQL 16 or newer", "请使用 PostgreSQL 16 或更新版本")
        return failed("database.version", Text(f"PostgreSQL {seen.version}", f"PostgreSQL {seen.version}"), remedy)
    return good("database.version", f"PostgreSQL {seen.version}", f"PostgreSQL {seen.version}")


def _extension(seen: Seen) -> Result:
    if seen.extension is None:
        found = Text("this database has no extension timescaledb", "该数据库没有 timescaledb 扩展")
        return failed(
            "database.timescaledb",
            found,
            Text("run `meterwarden bootstrap` as superuser", "请以超级用户执行 `meterwarden bootstrap`"),
        )
    if tuple(int(part) for part in seen.extension.split("-")[0].split(".")[:2]) < OLDEST_EXTENSION:
        remedy = Text("install TimescaleDB 2.19 or newer, then ALTER EXTENSION timescaledb UPDATE",
                      "请安装 TimescaleDB 2.19 或更新版本,再执行 ALTER EXTENSION timescaledb UPDATE")  # fmt: skip
        return failed("database.timescaledb", Text(f"TimescaleDB {seen.extension}", f"TimescaleDB {seen.extension}"), remedy)
    edition = {"apache": "Apache", "timescale": "Community"}.get(seen.edition or "", seen.edition or "?")
    return good("database.timescaledb", f"{seen.extension}, {edition} edition", f"{seen.extension},{edition} 版")


def _writable(seen: Seen) -> Result:
    if seen.is_read_only:
        remedy = Text("let METERWARDEN_DATABASE__URL name the primary (target_session_attrs=read-write)",
                      "请让 METERWARDEN_DATABASE__URL 指向主库(target_session_attrs=read-write)")  # fmt: skip
        return failed("database.writable", Text("read-only: a standby, or set so", "只读: 备库,或被设为只读"), remedy)
    return good("database.writable", "takes writes", "可写")


def _clock(seconds: float) -> Result:
    size = abs(seconds)
    if size < CLOCK_WARNING_SECONDS:
        return good(
            "database.clock",
            f"within {CLOCK_WARNING_SECONDS:g} s of this machine's",
            f"与本机相差不到 {CLOCK_WARNING_SECONDS:g} 秒",
        )
    found = Text(f"its clock is {size:,.1f} s {'ahead of' if seconds > 0 else 'behind'} this machine's",
                 f"其时钟比本机{'快' if seconds > 0 else '慢'} {size:,.1f} 秒")  # fmt: skip
    remedy = Text("keep both by NTP (chrony)", "请用 NTP(chrony)同步两台机器")
    return (failed if size >= CLOCK_FAILED_SECONDS else warning)("database.clock", found, remedy)


def _disk(seen: Seen) -> Result:
    size = f"{seen.size_bytes / GIB:,.2f} GiB"
    if seen.free_bytes is None:
        return good("database.disk", f"the database takes {size}; free disk cannot be known from here",
                    f"数据库占用 {size};从此处无法得知剩余空间")  # fmt: skip
    free = f"{seen.free_bytes / GIB:,.2f} GiB"
    if seen.free_bytes >= FEW_BYTES:
        return good("database.disk", f"the database takes {size}, {free} are free", f"数据库占用 {size},剩余 {free}")
    remedy = Text("make room on the disk under the database", "请为数据库所在磁盘腾出空间")
    judge = failed if seen.free_bytes < FEWEST_BYTES else warning
    return judge("database.disk", Text(f"{free} are free, the database takes {size}", f"剩余 {free},数据库占用 {size}"), remedy)


def _migrations(seen: Seen) -> Result:
    if seen.migration_fault:
        remedy = Text("run the version of Meterwarden that belongs to this database", "请运行与该数据库相应的 Meterwarden 版本")
        return failed("database.migrations", Text(seen.migration_fault, f"迁移记录不符: {seen.migration_fault}"), remedy)
    if seen.missing_migrations:
        listed = _some(seen.missing_migrations)
        remedy = Text("run `meterwarden migrate`; the rest is checked then", "请执行 `meterwarden migrate`,之后再检查其余各项")
        return failed("database.migrations", Text(f"missing: {listed}", f"缺少: {listed}"), remedy)
    if seen.missing_migrations is None:
        remedy = Text("connect as meterwarden_writer", "请以 meterwarden_writer 连接")
        return failed("database.migrations", Text("this role may not know", "该角色无权查看"), remedy)
    return good("database.migrations", "current", "已是最新")


def _privileges(seen: Seen) -> Iterator[Result]:
    if seen.too_little:
        listed = _some(seen.too_little)
        remedy = Text(
            "connect as meterwarden_writer; where a privilege was revoked, grant it again",
            "请以 meterwarden_writer 连接;被收回的权限请重新授予",
        )
        yield failed("database.privileges", Text(f"too few: {listed}", f"权限不足: {listed}"), remedy)
    elif not seen.queries_asked:
        yield good("database.privileges", "whether they suffice cannot be known on this server", "此服务器上无法得知权限是否足够")
    else:
        yield good(
            "database.privileges", f"enough ({seen.queries_asked} queries asked)", f"足够(已询问 {seen.queries_asked} 个查询)"
        )
    if seen.too_much:
        listed = _some(seen.too_much)
        remedy = Text(
            "connect as meterwarden_writer, and revoke what it was given beyond the migrations",
            "请以 meterwarden_writer 连接,并收回迁移之外授予的权限",
        )
        yield warning("database.least_privilege", Text(f"too many: {listed}", f"权限过多: {listed}"), remedy)
    else:
        yield good("database.least_privilege", "no more than the service needs", "未超出服务所需")


def _zones(faults: list[str]) -> Result:
    if faults:
        remedy = Text("update tzdata on the database's machine and here", "请更新数据库所在机器与本机的 tzdata")
        return failed("database.timezones", Text(_some(faults), f"时区数据不一致: {_some(faults)}"), remedy)
    return good("database.timezones", "the database sees the local days as we do", "数据库与本机的当地日一致")


def _registry(institutions: int, meters: int, quotas: int) -> Result:
    found = Text(f"{institutions:,} institutions, {meters:,} meters, {quotas:,} quotas",
                 f"机构 {institutions:,} 家,表计 {meters:,} 块,定额 {quotas:,} 条")  # fmt: skip
    if not meters or not institutions:
        return warning("registry", found, Text("fill it: `meterwarden registry import DIRECTORY` (docs/registry.md)",
                                               "请导入台账: `meterwarden registry import 目录`(docs/registry.md)"))  # fmt: skip
    return good("registry", found.english, found.chinese)


def _some(texts: list[str]) -> str:
    return "; ".join(texts[:SHOWN]) + (f" … +{len(texts) - SHOWN}" if len(texts) > SHOWN else "")
