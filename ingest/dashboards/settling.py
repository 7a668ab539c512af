"""Operations: panels of settlement, validation and quarantine."""

from typing import Final

from ingest.dashboards.panels import Panel, Prom
from ingest.dashboards.service import HERE, NOT_SCRAPED, quantiles

SETTLEMENT: Final = (
    Panel(
        width=8,
        title=("待结算", "Waiting to be settled"),
        about=("通道小时与充电会话;应回落到 0。", "Channel-hours and charging sessions; they should fall back to 0."),
        empty=NOT_SCRAPED,
        queries=[
            Prom(f"max without (instance, pod) (meterwarden_settlement_marks_waiting{HERE})", "通道小时 / channel-hours"),
            Prom(f"max without (instance, pod) (meterwarden_settlement_sessions_waiting{HERE})", "充电会话 / sessions"),
        ],
    ),
    Panel(
        width=8,
        title=("结算轮次耗时", "Time of a round"),
        unit="s",
        about=("有工作的轮次。", "Of rounds that had work."),
        empty=("该时段没有需要结算的数据。", "there was nothing to settle."),
        queries=quantiles("meterwarden_settlement_round_seconds", 0.5, 0.95),
    ),
    Panel(
        width=8,
        title=("结算轮次", "Rounds"),
        about=(
            "按结果;failed 持续出现须查看日志。too late:早于保留期、已入库但不再结算的通道。",
            (
                "By result; look at the log where failed goes on. Too late: channels before the readings that are kept, "
                "stored and not settled."
            ),
        ),
        empty=NOT_SCRAPED,
        queries=[
            Prom(f"sum by (result) (increase(meterwarden_settlement_rounds_total{HERE}[$__rate_interval]))", "{{result}}"),
            Prom(f"sum(increase(meterwarden_settlement_too_late_total{HERE}[$__rate_interval]))", "too late"),
        ],
    ),
    Panel(
        kind="bargauge",
        title=("未处理的校验发现", "Findings open"),
        steps=((None, "green"), (1, "orange")),
        about=(
            "等待处理的数据校验发现;明细见数据质量看板。",
            "Findings of validation that wait for somebody; the data quality board lists them.",
        ),
        empty=("没有未处理的发现。", "no finding is open."),
        queries=[Prom(f"max by (rule) (sum by (rule, instance) (meterwarden_findings_open{HERE})) > 0", "{{rule}}")],
    ),
    Panel(
        kind="bargauge",
        title=("隔离区中的消息", "Open in quarantine"),
        steps=((None, "green"), (1, "orange")),
        about=("未解决的被拒消息,按原因。", "Rejected messages not resolved, by reason."),
        empty=("隔离区为空。", "nothing is open in quarantine."),
        queries=[Prom(f"max by (reason) (meterwarden_quarantine_open{HERE}) > 0", "{{reason}}")],
    ),
    Panel(
        title=("隔离区占用", "Quarantine against its caps"),
        unit="percentunit",
        limits=(0, None),
        about=(
            "大小与最早未解决消息时长中较高者与上限之比;超过告警线应尽快处理,达到 100% 将删除最早的消息。",
            (
                "The higher of its size and the age of its oldest open message, over their caps. Above the warning line somebody "
                "must act: at 100% the oldest are deleted."
            ),
        ),
        empty=NOT_SCRAPED,
        queries=[
            Prom(f"max(meterwarden_quarantine_fill_ratio{HERE})", "占用 / filled"),
            Prom(f"max(meterwarden_quarantine_warn_ratio{HERE})", "告警线 / warning from"),
        ],
    ),
    Panel(
        title=("隔离区重放与删除", "Replayed and deleted"),
        about=(
            "重放与到达上限时的删除;删除 open 意味着读数丢失。",
            "Replays, and deletions at a cap; where open ones are deleted, readings are lost.",
        ),
        empty=NOT_SCRAPED,
        queries=[
            Prom(f"sum(increase(meterwarden_quarantine_replayed_total{HERE}[$__rate_interval]))", "重放 / replayed"),
            Prom(
                f"sum by (state) (increase(meterwarden_quarantine_purged_total{HERE}[$__rate_interval]))",
                "删除 / deleted {{state}}",
            ),
        ],
    ),
)
