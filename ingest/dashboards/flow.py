"""Operations: panels of intake and of the broker."""

from typing import Final

from ingest.dashboards.panels import STACKED, Panel, Prom
from ingest.dashboards.service import HERE, NONE_YET, NOT_SCRAPED, per_second, quantiles

INTAKE: Final = (
    Panel(
        title=("消息", "Messages"),
        unit="mps",
        custom=STACKED,
        about=("每秒判定并提交的消息,按结果。", "Messages decided and committed a second, by outcome."),
        empty=NOT_SCRAPED,
        queries=[per_second("meterwarden_messages_total", "outcome")],
    ),
    Panel(
        title=("读数", "Readings"),
        unit="cps",
        custom=STACKED,
        about=(
            "每秒寄存器读数,按结果;重复的不会再次入库。",
            "Register readings a second, by outcome; repeated ones are not stored again.",
        ),
        empty=NOT_SCRAPED,
        queries=[per_second("meterwarden_readings_total", "outcome")],
    ),
    Panel(
        title=("拒收原因", "Rejected, by reason"),
        unit="mps",
        about=("每秒进入隔离区的消息;报文完整保留。", "Messages a second that went to quarantine, each kept whole."),
        empty=NONE_YET,
        queries=[Prom(f"sum by (reason) (rate(meterwarden_messages_rejected_total{HERE}[$__rate_interval])) > 0", "{{reason}}")],
    ),
    Panel(
        title=("提交耗时", "Time to commit a batch"),
        unit="s",
        about=(
            "一批消息的事务耗时。消息在提交之后才确认。",
            "The transaction of a batch. A message is acknowledged after it, not before.",
        ),
        empty=("该时段没有提交。", "nothing was committed."),
        queries=quantiles("meterwarden_write_duration_seconds", 0.5, 0.95, 0.99),
    ),
    Panel(
        width=8,
        title=("在途消息", "Messages in flight"),
        unit="none",
        about=(
            "已接收而未判定;最近提交停滞时持续升高。",
            "Received and not yet decided; it rises and stays while no commit comes.",
        ),
        empty=NOT_SCRAPED,
        queries=[Prom(f"meterwarden_messages_in_flight{HERE}", "{{instance}}")],
    ),
    Panel(
        width=8,
        title=("未提交字节", "Uncommitted bytes"),
        unit="bytes",
        about=("达到上限时会话暂停读取。", "At its limit the session stops reading its socket."),
        empty=NOT_SCRAPED,
        queries=[
            Prom(f"meterwarden_uncommitted_bytes{HERE}", "{{instance}}"),
            Prom(
                f"meterwarden_uncommitted_bytes{HERE} and meterwarden_broker_reading_paused{HERE} == 1",
                "{{instance}} 已暂停 / paused",
            ),
        ],
    ),
    Panel(
        width=8,
        title=("写入失败", "Batches tried again"),
        unit="none",
        about=("未能提交而重试的批次;没有丢失。", "Batches that were not committed and tried again; nothing is lost."),
        empty=NOT_SCRAPED,
        queries=[Prom(f"sum by (kind) (increase(meterwarden_write_failures_total{HERE}[$__rate_interval]))", "{{kind}}")],
    ),
)

BROKER: Final = (
    Panel(
        width=8,
        title=("消息代理积压", "Messages at the broker"),
        about=(
            "代理自报:为缺席或缓慢的客户端排队的消息与保留消息。",
            "By its own count: queued for absent or slow clients, and retained.",
        ),
        empty=("代理不提供 $SYS 主题。", "the broker offers no $SYS topics."),
        queries=[Prom(f"max without (instance, pod) (meterwarden_broker_stored_messages{HERE})", "{{broker}}")],
    ),
    Panel(
        width=8,
        title=("代理丢弃的消息", "Dropped by the broker"),
        steps=((None, "green"), (1, "red")),
        about=(
            "任何客户端的队列已满而丢弃;可能是已确认的读数。",
            "For any client whose queue was full; these may be readings that were acknowledged.",
        ),
        empty=("代理不提供 $SYS 主题。", "the broker offers no $SYS topics."),
        queries=[
            Prom(
                f"max without (instance, pod) (increase(meterwarden_broker_dropped_messages{HERE}[$__rate_interval]))", "{{broker}}"
            )
        ],
    ),
    Panel(
        width=8,
        title=("会话事件", "Sessions"),
        about=(
            "重连、会话丢失、标识被占用。会话丢失意味着排队消息已丢。",
            "Reconnects, sessions lost, identifiers taken over. A lost session lost its queue.",
        ),
        empty=NOT_SCRAPED,
        queries=[
            Prom(f"sum(increase(meterwarden_broker_reconnects_total{HERE}[$__rate_interval]))", "重连 / reconnects"),
            Prom(f"sum(increase(meterwarden_broker_sessions_lost_total{HERE}[$__rate_interval]))", "会话丢失 / lost"),
            Prom(f"sum(increase(meterwarden_broker_sessions_taken_over_total{HERE}[$__rate_interval]))", "被占用 / taken over"),
        ],
    ),
    Panel(
        width=8,
        title=("自检往返时间", "Canary round trip"),
        unit="s",
        about=("从发布自检读数到确认其已提交。", "From publishing a reading of our own to seeing it committed."),
        empty=("自检已关闭。", "the canary is off."),
        queries=quantiles("meterwarden_canary_latency_seconds", 0.5, 0.95),
    ),
    Panel(
        width=8,
        title=("工作进程", "Workers"),
        steps=((None, "green"), (1, "red")),
        about=(
            "连接到代理的客户端;长期缺席的工作进程应为 0。",
            "Clients of the broker; workers that have been away long should be none.",
        ),
        empty=NOT_SCRAPED,
        queries=[
            Prom(f"max without (instance, pod) (meterwarden_broker_clients{HERE})", "客户端 / clients"),
            Prom(f"max without (instance, pod) (meterwarden_members_absent{HERE})", "缺席 / absent"),
        ],
    ),
    Panel(
        width=8,
        title=("台账", "Registry"),
        about=("采集所用台账的表计数;各实例应一致。", "Meters known to intake; the same at every instance."),
        empty=NOT_SCRAPED,
        queries=[Prom(f"meterwarden_registry_meters{HERE}", "{{instance}}")],
    ),
)
