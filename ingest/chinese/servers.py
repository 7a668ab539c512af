"""Faults of database, broker and the servers on this machine, and what the stack says it does."""

from typing import Final

SERVERS: Final[dict[str, str]] = {
    "database: no answer within {seconds} s": "数据库: {seconds} 秒内无应答",
    "database: {said}; `meterwarden check` tells whether a migration is missing":
        "数据库: {said};是否缺少迁移,请用 `meterwarden check` 检查",
    "database: {said}": "数据库: {said}",
    "database refuses every message: {said}": "数据库拒绝全部消息: {said}",
    "migration {name} was edited after it was applied; restore its file": "迁移 {name} 在执行后被修改,请恢复原文件",
    "the database has {name}, which this version does not know; install the newer version":
        "数据库已有 {name},本版本不认识,请安装更新的版本",
    "another client keeps connecting as {name}: give every worker a client identifier of its own "
    "(METERWARDEN_BROKER__CLIENT_IDENTIFIER)":
        "另有客户端反复以 {name} 连接: 请为每个工作进程设置各自的客户端标识(METERWARDEN_BROKER__CLIENT_IDENTIFIER)",
    "METERWARDEN_BROKER__TLS_CA_FILE cannot be used ({said}): {file}": "METERWARDEN_BROKER__TLS_CA_FILE 不可用({said}): {file}",
    "METERWARDEN_BROKER__TLS_CERTIFICATE_FILE and ..._KEY_FILE cannot be used ({said}): {file}":
        "METERWARDEN_BROKER__TLS_CERTIFICATE_FILE 与 ..._KEY_FILE 不可用({said}): {file}",
    "METERWARDEN_BROKER__TLS_CA_FILE is not the authority that signed the broker's certificate: name the one that did":
        "METERWARDEN_BROKER__TLS_CA_FILE 不是签发消息代理证书的机构: 请指定签发者",
    "METERWARDEN_BROKER__HOST is none of the names in the broker's certificate: use one of them, or have this one added to it":
        "METERWARDEN_BROKER__HOST 不在消息代理证书的名称中: 请改用其中之一,或将其加入证书",
    "renew the broker's certificate, or that of its authority": "请更新消息代理或其签发机构的证书",
    "the broker asks for a certificate: set METERWARDEN_BROKER__TLS_CERTIFICATE_FILE and METERWARDEN_BROKER__TLS_KEY_FILE":
        "消息代理要求客户端证书: 请设置 METERWARDEN_BROKER__TLS_CERTIFICATE_FILE 与 METERWARDEN_BROKER__TLS_KEY_FILE",
    "nothing speaks TLS there: METERWARDEN_BROKER__PORT belongs to another listener":
        "该端口不提供 TLS: METERWARDEN_BROKER__PORT 属于另一个监听器",
    "run servers of your own (PostgreSQL 17 with TimescaleDB 2.19 or later, mosquitto 2) and set METERWARDEN_SUPERUSER_URL, "
    "METERWARDEN_BROKER__HOST and METERWARDEN_BROKER__PORT":
        "自行运行服务器(PostgreSQL 17 与 TimescaleDB 2.19 及以上、mosquitto 2)并设置 METERWARDEN_SUPERUSER_URL、"
        "METERWARDEN_BROKER__HOST 与 METERWARDEN_BROKER__PORT",
    "{file} not found: apt-get install debian-archive-keyring, or {own}":
        "找不到 {file}: 请执行 apt-get install debian-archive-keyring,或{own}",
    "setpriv not found: apt-get install util-linux, or {own}": "找不到 setpriv: 请执行 apt-get install util-linux,或{own}",
    "{names} not found: use a Debian 12 or 13 machine, or {own}": "找不到 {names}: 请使用 Debian 12 或 13,或{own}",
    "apt's configuration names no Debian mirror: set DEBIAN_MIRROR, or {own}":
        "apt 未配置 Debian 镜像: 请设置 DEBIAN_MIRROR,或{own}",
    "apt-get {what} took longer than {seconds} s: {advice}": "apt-get {what} 超过 {seconds} 秒: {advice}",
    "apt-get {what} failed:\n  {said}\n{advice}": "apt-get {what} 失败:\n  {said}\n{advice}",
    "check the network, set DEBIAN_MIRROR to a mirror that has {suite}, or {own}":
        "请检查网络,将 DEBIAN_MIRROR 设为含 {suite} 的镜像,或{own}",
    "mend what the lines above name and try again, or {own}": "请处理以上问题后重试,或{own}",
    "{directory} is not empty, and would be removed at the end: name a new directory":
        "{directory} 非空,结束时会被删除: 请换一个新目录",
    "{directory} is closed to the user {user}, who runs the servers: set {variable}":
        "运行服务器的用户 {user} 无权进入 {directory}: 请设置 {variable}",
    "cannot create a run directory in {directory} ({said}): set METERWARDEN_STACK_RUN":
        "无法在 {directory} 中创建运行目录({said}): 请设置 METERWARDEN_STACK_RUN",
    "cannot create {directory} ({said}): set {variable}": "无法创建 {directory}({said}): 请设置 {variable}",
    "cannot write to {directory} ({said}): set {variable}": "无法写入 {directory}({said}): 请设置 {variable}",
    "no free port from {first} to {last}": "{first} 到 {last} 没有空闲端口",
    "no embedded servers for {architecture}, only for {others}: {own}": "没有 {architecture} 的内置服务器,仅有 {others}: 请{own}",
    "the mirror offers TimescaleDB {version}, 2.19 is needed: set DEBIAN_MIRROR, or {own}":
        "镜像提供 TimescaleDB {version},需要 2.19: 请设置 DEBIAN_MIRROR,或{own}",
    "cannot unpack {package} ({said}): is the disk of {root} full?": "无法解压 {package}({said}): {root} 所在磁盘已满?",
    "{server} is not ready after {seconds} s; the end of {log}:\n  {last}\n{advice}":
        "{server} 在 {seconds} 秒后仍未就绪;{log} 末尾:\n  {last}\n{advice}",
    "{server} ended while starting; the end of {log}:\n  {last}\n{advice}": "{server} 启动时退出;{log} 末尾:\n  {last}\n{advice}",
    "{program} failed with status {status}:\n  {said}\n{advice}": "{program} 失败,状态 {status}:\n  {said}\n{advice}",
    "process {pid} does not end even by SIGKILL: see what it waits for with ps":
        "进程 {pid} 用 SIGKILL 也无法结束: 请用 ps 查看它在等待什么",
    "Prometheus answers {status} to {path}: {said}": "Prometheus 对 {path} 应答 {status}: {said}",
    "{server} was never started": "{server} 从未启动",
    "a stack is already up, in {directory}: end it with `meterwarden stack down`":
        "已有服务在运行({directory}): 请用 `meterwarden stack down` 停止",
    "{path} cannot be read ({said}): stop the servers it names, then delete it":
        "无法读取 {path}({said}): 请停止其中所列的服务器后删除该文件",
    "the stack is already up, in {directory}": "服务已在运行,目录 {directory}",
    "cleaning up what is left of the stack in {directory}": "正在清理 {directory} 中残留的服务",
    "no stack is up": "没有运行中的服务",
    "the stack in {directory} is down": "{directory} 中的服务已停止",
    "the stack is up, in {directory}": "服务已启动,目录 {directory}",
    "preparing the servers": "正在准备服务器",
    "resolving packages of PostgreSQL, TimescaleDB, mosquitto, Prometheus and Alertmanager":
        "正在解析 PostgreSQL、TimescaleDB、mosquitto、Prometheus 与 Alertmanager 的软件包",
    "downloading {number} packages ({size} MB)": "正在下载 {number} 个软件包({size} MB)",
    "unpacking into {directory}": "正在解压到 {directory}",
    "the service ended with status {status}\nthe end of its log:\n{last}": "服务已退出,状态 {status}\n日志末尾:\n{last}",
    "meterwarden simulate {what} ended with status {status}\n{last}": "meterwarden simulate {what} 已退出,状态 {status}\n{last}",
    "not everything was settled in time\nthe end of its log:\n{last}": "未能按时完成结算\n日志末尾:\n{last}",
}  # fmt: skip
