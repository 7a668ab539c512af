"""Judges what was seen of the broker. Pure."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from ingest.broker.probe import Seen
from ingest.checks.result import Result, Text, failed, good, warning
from ingest.settings import BrokerSettings

CERTIFICATE_DAYS: Final = 30
"""Sooner than this, a certificate's end is told."""
_WRONG_NAME: Final = ("bad_user_name_or_password", "not_authorized", "client_id_not_valid", "banned", "bad_authentication_method")
_NO_VERSION: Final = "unsupported_protocol"


def check_broker(settings: BrokerSettings, seen: Seen, now: datetime) -> Iterator[Result]:
    """One result a thing that can be known; what comes after a failure is left out."""
    address = f"{settings.host}:{settings.port}"
    if not seen.is_reached:
        remedy = Text("check that it runs, and METERWARDEN_BROKER__HOST, METERWARDEN_BROKER__PORT and the firewall",
                      "请确认它在运行,并检查 METERWARDEN_BROKER__HOST、METERWARDEN_BROKER__PORT 与防火墙")  # fmt: skip
        yield failed("broker.connect", Text(f"{address}: {seen.failure}", f"{address} 无法连接: {seen.failure}"), remedy)
        return
    yield good("broker.connect", f"{address} answers" + (", TLS" if settings.tls_ca_file else ""), f"{address} 可连接")
    if seen.refusal or seen.failure:
        yield _refused(settings, seen)
        return
    yield good("broker.protocol", "MQTT 5", "MQTT 5")
    yield good(
        "broker.authentication", f"accepted as {settings.username or 'anonymous'}", f"已接受用户 {settings.username or '匿名'}"
    )
    yield _subscriptions(settings, seen)
    yield from _limits(settings, seen)
    if seen.certificate_ends is not None:
        yield _certificate(seen.certificate_ends, now)


def _refused(settings: BrokerSettings, seen: Seen) -> Result:
    if any(name in seen.refusal for name in _WRONG_NAME):
        found = Text(f"refused as {settings.username or 'anonymous'}: {seen.refusal}",
                     f"拒绝用户 {settings.username or '匿名'}: {seen.refusal}")  # fmt: skip
        remedy = Text("correct METERWARDEN_BROKER__USERNAME and what METERWARDEN_BROKER__PASSWORD_FILE holds, or add the user",
                      "请修正 METERWARDEN_BROKER__USERNAME 与 METERWARDEN_BROKER__PASSWORD_FILE 的内容,"
                      "或在消息代理添加该用户")  # fmt: skip
        return failed("broker.authentication", found, remedy)
    if _NO_VERSION in seen.refusal or seen.failure:
        said = seen.refusal or seen.failure
        remedy = Text("name a broker and port that speak MQTT 5 (and TLS, where METERWARDEN_BROKER__TLS_CA_FILE is set)",
                      "请使用支持 MQTT 5 的消息代理及监听器(设置了 METERWARDEN_BROKER__TLS_CA_FILE 时还须支持 TLS)")  # fmt: skip
        return failed("broker.protocol", Text(f"no answer in MQTT 5: {said}", f"没有 MQTT 5 应答: {said}"), remedy)
    remedy = Text("see the broker's log and its limits (docs/broker.md)", "请查看消息代理的日志与限制(docs/broker.md)")
    return failed("broker.protocol", Text(f"refused: {seen.refusal}", f"拒绝连接: {seen.refusal}"), remedy)


def _subscriptions(settings: BrokerSettings, seen: Seen) -> Result:
    if seen.refused_filters:
        listed = ", ".join(f"{name} ({reason})" for name, reason in seen.refused_filters.items())
        remedy = Text(
            "allow these topic filters in the broker's access list (docs/broker.md)",
            "请在消息代理的访问列表中允许这些主题(docs/broker.md)",
        )
        return failed("broker.subscribe", Text(f"refused: {listed}", f"拒绝订阅: {listed}"), remedy)
    if settings.share_group and not seen.shared_subscriptions:
        remedy = Text("use a broker with shared subscriptions, or a lone worker (METERWARDEN_BROKER__SHARE_GROUP empty)",
                      "请使用支持共享订阅的消息代理,或单一工作进程(METERWARDEN_BROKER__SHARE_GROUP 留空)")  # fmt: skip
        return failed("broker.subscribe", Text("the broker has no shared subscriptions", "消息代理不支持共享订阅"), remedy)
    number = len(settings.filters)
    return good("broker.subscribe", f"{number} topic filters granted (the canary tells at run time whether messages come through)",
                f"已允许 {number} 个主题(消息能否到达由运行时的自检消息判断)")  # fmt: skip


def _limits(settings: BrokerSettings, seen: Seen) -> Iterator[Result]:
    kept, wanted = seen.session_expiry_seconds, settings.session_expiry_seconds
    if kept is not None and kept < wanted:
        remedy = Text(
            "raise the broker's session expiry (mosquitto: persistent_client_expiration), or lower "
            "METERWARDEN_BROKER__SESSION_EXPIRY_SECONDS",
            "请调大消息代理的会话有效期(mosquitto: persistent_client_expiration),或调小 METERWARDEN_BROKER__SESSION_EXPIRY_SECONDS",
        )
        yield warning("broker.session", Text(f"sessions are kept {kept:,} s, {wanted:,} s were asked for",
                                             f"会话只保留 {kept:,} 秒,要求 {wanted:,} 秒"), remedy)  # fmt: skip
    else:
        yield good("broker.session", f"kept {wanted:,} s without us", f"断线后保留 {wanted:,} 秒")
    if seen.max_qos < 1:
        remedy = Text("use a broker that takes QoS 1 (mosquitto: max_qos)", "请使用支持 QoS 1 的消息代理(mosquitto: max_qos)")
        yield failed(
            "broker.qos", Text("the broker takes QoS 0 alone: messages could be lost", "消息代理只支持 QoS 0,消息可能丢失"), remedy
        )


def _certificate(ends: datetime, now: datetime) -> Result:
    days = (ends - now).days
    if days < CERTIFICATE_DAYS:
        found = Text(
            f"the broker's certificate ends on {ends:%Y-%m-%d}, in {days} days",
            f"消息代理证书将于 {ends:%Y-%m-%d} 到期,还有 {days} 天",
        )
        return warning("broker.certificate", found, Text("renew it (docs/broker.md)", "请更新证书(docs/broker.md)"))
    return good("broker.certificate", f"valid until {ends:%Y-%m-%d}", f"有效期至 {ends:%Y-%m-%d}")
