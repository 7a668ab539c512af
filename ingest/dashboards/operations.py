"""Operations: does the service run, does everything come through, what waits where? From Prometheus alone.

`max without (instance, pod)` merges what every worker reports of one database or broker, as the alert rules do.
"""

from typing import Final

from ingest.dashboards.board import Board, Row, Variable
from ingest.dashboards.columns import columns
from ingest.dashboards.flow import BROKER, INTAKE
from ingest.dashboards.panels import STACKED, Panel, Prom
from ingest.dashboards.service import HERE, NOT_SCRAPED, RUNNING
from ingest.dashboards.settling import SETTLEMENT
from ingest.dashboards.words import UP, USED_STEPS

STATE: Final = (
    Panel(
        kind="stat",
        width=4,
        height=4,
        title=("触发中的告警", "Alerts firing"),
        steps=((None, "green"), (1, "red")),
        about=("正在触发的 Meterwarden 告警数。", "Alerts of Meterwarden that fire now."),
        empty=("Prometheus 无响应。", "Prometheus does not answer."),
        queries=[Prom('count(ALERTS{alertstate="firing", alertname=~"Meterwarden.*", severity!="none"}) or vector(0)', "alerts")],
        options={"textMode": "value"},
    ),
    Panel(
        kind="stat",
        width=4,
        height=4,
        title=("已连接消息代理", "Broker connected"),
        names=UP,
        about=("所有工作进程均已连接并订阅时为“是”。", "Yes while every worker is connected and subscribed."),
        empty=NOT_SCRAPED,
        queries=[Prom(f"min(meterwarden_broker_connected{HERE})")],
        options={"textMode": "value"},
    ),
    Panel(
        kind="stat",
        width=4,
        height=4,
        title=("数据库可用", "Database up"),
        names=UP,
        about=("采集与台账最近一次访问数据库均成功。", "The last uses by intake and by the registry succeeded."),
        empty=NOT_SCRAPED,
        queries=[Prom(f"min(meterwarden_database_up{HERE})")],
        options={"textMode": "value"},
    ),
    Panel(
        kind="stat",
        width=4,
        height=4,
        title=("自检读数时延", "Age of the last canary"),
        unit="s",
        steps=((None, "green"), (60, "yellow"), (120, "red")),
        options={"textMode": "value"},
        about=(
            "距上一条自检读数(经消息代理入库)的时间;超过 120 秒将告警。",
            "Time since a reading of the service's own came through broker and database; an alert from 120 s on.",
        ),
        empty=("自检已关闭,或服务刚启动。", "the canary is off, or none has come since the start."),
        queries=[Prom(f"time() - max(meterwarden_canary_last_seen_timestamp_seconds{HERE} > 0)")],
    ),
    Panel(
        kind="stat",
        width=4,
        height=4,
        title=("距上一轮结算", "Since the last settlement round"),
        unit="s",
        steps=((None, "green"), (60, "yellow"), (300, "red")),
        options={"textMode": "value"},
        about=("结算空闲时也会更新;超过 300 秒将告警。", "Set at every turn, also when nothing waits; an alert from 300 s on."),
        empty=("启动以来没有完成过一轮结算。", "no round has ended since the start."),
        queries=[Prom(f"time() - max(meterwarden_settlement_last_round_timestamp_seconds{HERE} > 0)")],
    ),
    Panel(
        kind="stat",
        width=4,
        height=4,
        title=("消息账目差额", "Messages unaccounted for"),
        steps=((None, "green"), (1, "red")),
        about=(
            "已接收 − 已判定 − 在途,逐进程取绝对值的最大值,必须为 0。",
            "Received less decided less in flight, the largest of any process: must be 0.",
        ),
        empty=NOT_SCRAPED,
        options={"textMode": "value"},
        queries=[
            Prom(
                f"max(abs(meterwarden_messages_received_total{HERE} - sum without (outcome) (meterwarden_messages_total{HERE})"
                f" - meterwarden_messages_in_flight{HERE}))"
            )
        ],
    ),
    Panel(
        kind="table",
        width=24,
        height=6,
        title=("告警明细", "Alerts in detail"),
        about=("含待触发的告警;处置方法见运行手册。", "Pending ones too; the runbook says what to do."),
        empty=("没有告警。", "no alert."),
        queries=[
            Prom(
                "sum by (alertname, severity, alertstate, institution, indicator, reason, instance)"
                ' (ALERTS{alertname=~"Meterwarden.*", severity!="none"})',
                instant=True,
            )
        ],
        hidden=["Time", "Value"],
        columns=columns("alertname severity alertstate institution indicator reason instance"),
    ),
)

QUOTAS: Final = (
    Panel(
        title=("各状态单位数", "Institutions by level"),
        custom=STACKED,
        about=("当前周期内各定额状态的单位数,所有指标合计。", "Standings in running periods, by level, all indicators together."),
        empty=("尚未评估:没有定额,或尚未完成一轮结算。", "nothing is assessed yet: no quotas, or no round has ended."),
        queries=[
            Prom(
                f"sum by (level, period_kind) (max without (instance, pod) (meterwarden_quota_institutions{RUNNING}))",
                "{{level}} ({{period_kind}})",
            )
        ],
    ),
    Panel(
        kind="table",
        title=("最接近或超过定额的单位", "Furthest up their quota"),
        unit="percentunit",
        steps=USED_STEPS,
        about=(
            "仅导出达到告警比例的单位,默认最多 200 个;完整名单见定额看板。",
            "Only institutions at the warning level or above are exported, at most 200 by default; the quota board has them all.",
        ),
        empty=("没有单位接近定额。", "no institution is near its quota."),
        queries=[
            Prom(
                f"topk(20, max by (institution, indicator, period_kind, period) (meterwarden_quota_used_ratio{HERE}))", instant=True
            )
        ],
        hidden=["Time"],
        columns=columns("institution indicator period_kind period Value"),
    ),
)

BOARD: Final = Board(
    name="operations",
    words=("运行", "operations"),
    about=(
        "服务是否正常、消息是否都已入库、哪里有积压。",
        "Does the service run, does everything come through, what waits where?",
    ),
    variables=[
        Variable(name="job", words=("任务", "Job"), prom="label_values(meterwarden_build_info, job)", several=True),
        Variable(
            name="instance",
            words=("实例", "Instance"),
            prom='label_values(meterwarden_build_info{job=~"$job"}, instance)',
            several=True,
        ),
    ],
    rows=[
        Row(("状态", "State"), STATE),
        Row(("采集", "Intake"), INTAKE),
        Row(("消息代理", "Broker"), BROKER),
        Row(("结算、校验与隔离区", "Settlement, validation, quarantine"), SETTLEMENT),
        Row(("定额", "Quotas"), QUOTAS),
    ],
    time_from="now-6h",
    refresh="30s",
)
