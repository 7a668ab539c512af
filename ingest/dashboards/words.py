"""Stored words in Chinese and English and their colors; from where on a share is colored. The same on all boards."""

from collections.abc import Mapping
from typing import Final

from ingest.dashboards.panels import Column, Named, Words
from ingest.metering.levels import Thresholds
from ingest.metering.vee.view import Severity
from schemas.charger import ConnectorStatus
from schemas.quota import Level

LEVELS: Final[Named] = {
    Level.EXCEEDED: (("超定额", "exceeded"), "red"),
    Level.PROJECTED: (("预计超定额", "projected"), "orange"),
    Level.WARNING: (("接近定额", "warning"), "yellow"),
    Level.WITHIN: (("定额内", "within"), "green"),
    Level.NOT_ASSESSABLE: (("无法评估", "not assessable"), "blue"),
}
RATINGS: Final[Named] = {
    "guide": (("达到引导值", "guide value met"), "green"),
    "benchmark": (("达到基准值", "benchmark met"), "green"),
    "constraint": (("达到约束值", "constraint met"), "yellow"),
    "over": (("超过约束值", "over the constraint"), "red"),
}
SEVERITIES: Final[Named] = {
    Severity.CRITICAL: (("严重", "critical"), "red"),
    Severity.WARNING: (("警告", "warning"), "orange"),
    Severity.INFO: (("提示", "info"), "blue"),
}
CONNECTORS: Final[Named] = {
    ConnectorStatus.AVAILABLE: (("空闲", "available"), "green"),
    ConnectorStatus.OCCUPIED: (("占用", "occupied"), "yellow"),
    ConnectorStatus.CHARGING: (("充电中", "charging"), "blue"),
    ConnectorStatus.RESERVED: (("预约", "reserved"), "purple"),
    ConnectorStatus.UNAVAILABLE: (("停用", "unavailable"), "orange"),
    ConnectorStatus.FAULTED: (("故障", "faulted"), "red"),
    ConnectorStatus.OFFLINE: (("离线", "offline"), "red"),
    "unknown": (("未知", "unknown"), "text"),
}
STATES: Final[Named] = {**CONNECTORS, "online": (("在线", "online"), "green")}
YES: Final[Named] = {"true": (("是", "yes"), "text"), "false": (("否", "no"), "text")}
UP: Final[Named] = {"0": (("否", "no"), "red"), "1": (("是", "yes"), "green")}

INDICATORS: Final[Mapping[str, Words]] = {
    "electricity_per_area": ("单位建筑面积电耗", "electricity per floor area"),
    "water_per_person": ("人均用水量", "water per person"),
}
PERIODS: Final[Mapping[str, Words]] = {"month": ("月", "month"), "year": ("年", "year")}
MEDIA: Final[Mapping[str, Words]] = {"electricity": ("电", "electricity"), "water": ("水", "water")}
ACCESS: Final[Mapping[str, Words]] = {"own": ("自用", "own fleet"), "public": ("对外", "public")}

WARNING_RATIO: Final = float(Thresholds().warning_ratio)
COMPLETENESS: Final = float(Thresholds().completeness)
USED_STEPS: Final = ((None, "green"), (WARNING_RATIO, "yellow"), (1.0, "red"))
"""The service warns from this share of the constraint on; above 1 the quota is exceeded."""

KNOWN_STEPS: Final = ((None, "red"), (COMPLETENESS, "yellow"), (0.95, "green"))
"""Below the first no level but `exceeded` is given; the second is ours."""

MISSING_STEPS: Final = ((None, "green"), (0.05, "yellow"), (round(1 - COMPLETENESS, 6), "red"))
SHARES: Final = {
    "measured": Column(("实测", "measured"), color="green"),
    "estimated": Column(("估算", "estimated"), color="yellow"),
    "missing": Column(("缺失", "missing"), color="red"),
}


def plain(words: Mapping[str, Words]) -> Named:
    """Words without a color of their own."""
    return {name: (both, "text") for name, both in words.items()}


def lines(words: Named) -> dict[str, Column]:
    """A line or field for each stored word, in its color."""
    return {name: Column(both, color=color) for name, (both, color) in words.items()}
