"""Chargers: what sites deliver and how busy they are, what is out of order, which sessions are not billed and why."""

from typing import Final

from ingest.dashboards.board import REGION, Board, Row, Variable
from ingest.dashboards.columns import columns
from ingest.dashboards.panels import BARS, FIELDS, STACKED, Column, Panel, Sql
from ingest.dashboards.words import ACCESS, CONNECTORS, lines

NO_SITES: Final = (
    "所选单位没有登记站点的充电桩,或时间范围内没有读数。",
    "the institutions chosen have no charger with a site, or no readings in the time range.",
)
NO_SESSIONS: Final = ("时间范围内没有此类会话。", "no such session in the time range.")
NOW: Final = (
    Panel(
        kind="stat",
        width=24,
        height=4,
        title=("接口现状", "Connectors now"),
        about=(
            "各状态的接口数,以充电桩最近一次上报为准;未上报过的不计。",
            "By the state last stated; a connector that never stated one is not counted.",
        ),
        empty=("没有充电桩上报过状态。", "no charger has stated its state."),
        options=FIELDS,
        queries=[Sql("connectors_now")],
        columns=lines(CONNECTORS),
    ),
    Panel(
        kind="table",
        title=("不可用的接口", "Out of order"),
        about=(
            "故障、停用、离网或状态未知,最久的在前;接口 0 为整桩。",
            "Faulted, unavailable, offline or unknown, the longest first; connector 0 is the whole charger.",
        ),
        empty=("没有。", "none is."),
        queries=[Sql("out_of_order")],
        columns=columns("status institution site charger connector since scheme code"),
    ),
    Panel(
        kind="table",
        title=("充电桩数量", "Chargers in service"),
        about=(
            "每年末(今年为现在)的数量与额定功率,按交直流与使用方式;年份为空表示台账未记投运日期。",
            "At each year's end (of the running one: now), by supply and access; no year: the registry does not say since when.",
        ),
        empty=("没有登记充电桩。", "no charger is registered."),
        queries=[Sql("chargers_in_service")],
        columns=columns("year supply access chargers connectors rated_kw"),
    ),
)

LOAD: Final = (
    Panel(
        title=("站点平均功率", "Load of sites"),
        unit="kwatt",
        limits=(0, None),
        about=("每小时平均功率,来自充电桩自身的电能寄存器。", "Mean power of each hour, from the chargers' own registers."),
        empty=NO_SITES,
        queries=[Sql("site_load", series=True)],
    ),
    Panel(
        title=("接口占用率", "Connector time held"),
        unit="percentunit",
        limits=(0, 1),
        about=("每小时被会话占用的接口时间占比。", "The share of connector time that sessions held, by hour."),
        empty=NO_SITES,
        queries=[Sql("site_occupied", series=True)],
    ),
    Panel(
        title=("日充电量", "Energy by day"),
        unit="kwatth",
        custom={**BARS, **STACKED},
        limits=(0, None),
        about=(
            "自用与对外,按当地日,来自电能寄存器,含没有会话的电量。",
            "Own fleet and public by local day, from the registers: energy that no session covers is in it.",
        ),
        empty=NO_SITES,
        queries=[Sql("charged_by_day", series=True)],
        columns={name: Column(words, "kwatth") for name, words in ACCESS.items()},
    ),
    Panel(
        kind="table",
        title=("月充电量", "By month"),
        about=(
            "最近 12 个月,按使用方式与交直流;会话电量只含可计费的。",
            "Twelve months by access and supply; of sessions only what may be billed.",
        ),
        empty=("所选单位没有充电记录。", "the institutions chosen have charged nothing."),
        queries=[Sql("charged_by_month")],
        columns=columns("month access supply energy_kwh sessions billable_sessions billable_kwh"),
    ),
)

BILLING: Final = (
    Panel(
        title=("每日会话", "Sessions by day"),
        custom={**BARS, **STACKED},
        about=(
            "按开始时间所在的当地日;不可计费的原因见右侧。",
            "By the local day in which they started; the table says why some are not billed.",
        ),
        empty=NO_SESSIONS,
        queries=[Sql("sessions_by_day", series=True)],
        columns={
            "billable": Column(("可计费", "billable"), color="green"),
            "not_billable": Column(("不可计费", "not billable"), color="red"),
        },
    ),
    Panel(
        kind="table",
        title=("不可计费的会话,按原因", "Not billed, by reason"),
        about=(
            "状态 open 为尚未结束;原因为最严重的一条发现,含义见 docs/charging.md。",
            "open: no stop is known yet. The reason is the gravest finding; docs/charging.md explains each.",
        ),
        empty=NO_SESSIONS,
        queries=[Sql("not_billed")],
        columns=columns("state reason sessions energy_kwh"),
    ),
    Panel(
        kind="table",
        width=24,
        title=("会话明细", "Sessions"),
        about=(
            "最近的会话;电量来源为寄存器(measured)或桩自报(stated)。",
            "The newest; energy is measured by the registers or stated by the charger.",
        ),
        empty=NO_SESSIONS,
        queries=[Sql("sessions")],
        columns=columns("started_at stopped_at institution site charger connector energy_kwh quality state billable reason"),
    ),
    Panel(
        kind="table",
        width=24,
        title=("桩与会话的核对", "Found about chargers and sessions"),
        about=(
            "会话之间、会话与桩寄存器之间的矛盾;含义见 docs/charging.md。",
            "Contradictions within sessions, and between sessions and registers; docs/charging.md explains each.",
        ),
        empty=("时间范围内没有发现。", "nothing was found in the time range."),
        queries=[Sql("charging_findings")],
        columns=columns("kind institution site times chargers newest"),
    ),
)

BOARD: Final = Board(
    name="chargers",
    words=("充电桩", "chargers"),
    about=(
        "站点供多少电、多忙;哪些接口不可用;哪些会话不计费、为什么。",
        "What sites deliver and how busy they are; which connectors are out of order; which sessions are not billed, and why.",
    ),
    variables=[
        REGION,
        Variable(
            name="institution",
            words=("单位", "Institution"),
            several=True,
            query="charger_institution_choice",
        ),
        Variable(
            name="site",
            words=("站点", "Site"),
            several=True,
            query="site_choice",
        ),
    ],
    rows=[
        Row(("现状", "Now"), NOW),
        Row(("负荷与电量", "Load and energy"), LOAD),
        Row(("会话与计费", "Sessions and billing"), BILLING),
    ],
    time_from="now-30d",
    refresh="5m",
)
