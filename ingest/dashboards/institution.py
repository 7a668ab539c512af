"""One institution: how it stands, what it used by hour, day and month and where, how sure that is, and what was found."""

from typing import Final

from ingest.dashboards.board import REGION, Board, Row, Variable
from ingest.dashboards.columns import columns
from ingest.dashboards.panels import BARS, LIMITS, STACKED, Column, Panel, Sql
from ingest.dashboards.words import MEDIA, SHARES, USED_STEPS

NO_DAYS: Final = (
    "所选时间范围内该单位没有该能源的已结算数据。",
    "nothing of this medium is settled for the institution in the time range.",
)
NO_VALUES: Final = ("时间范围内没有此类记录。", "nothing of the kind is on record in the time range.")
STANDING: Final = (
    Panel(
        kind="table",
        width=24,
        height=4,
        title=("单位", "Institution"),
        about=(
            "台账中的单位信息;日、月、年按所列时区计。",
            "As registered; days, months and years are those of the time zone shown.",
        ),
        empty=(
            "请在上方选择单位;列表为空说明尚未导入台账。",
            "choose an institution above; an empty list means that no registry was imported.",
        ),
        queries=[Sql("who")],
        columns=columns("institution name region class sub_class climate_zone heating_type timezone"),
    ),
    Panel(
        kind="table",
        width=24,
        title=("定额状态", "Standing against quotas"),
        about=(
            "最近 13 个月内各周期截至最近一次评估的状态。缺失占比高时结论不可靠。",
            "Each period of the last 13 months as of its newest assessed day. Where much is missing, little is sure.",
        ),
        empty=("尚未评估:没有定额,或没有已结算的数据。", "never assessed: no quota, or nothing is settled."),
        queries=[Sql("standing")],
        columns=columns(
            "period period_kind indicator level used_ratio projected_ratio used allowance indicator_unit missing_share lacking"
            " as_of"
        ),
    ),
    Panel(
        width=24,
        title=("已用比例走势", "Share of the quota used"),
        unit="percentunit",
        steps=USED_STEPS,
        custom=LIMITS,
        limits=(0, None),
        about=(
            "每个周期从零开始累计,以约束值为 100%。黄线起告警,红线以上即超定额。",
            "Each period begins at zero; 100% is the constraint value. A warning from the yellow line on, exceeded above the red.",
        ),
        empty=("时间范围内没有评估。", "no day of the time range was assessed."),
        queries=[Sql("used_ratio", series=True)],
    ),
)

USE: Final = (
    Panel(
        title=("日用量", "By day"),
        custom=BARS,
        limits=(0, None),
        about=("各主表合计,单位 kWh 或 m³,按当地日。", "The main meters together, in kWh or m³, by local day."),
        empty=NO_DAYS,
        queries=[Sql("used_by_day", series=True)],
    ),
    Panel(
        title=("日数据完整性", "How sure, by day"),
        unit="percentunit",
        custom={**BARS, **STACKED},
        limits=(0, 1),
        columns=SHARES,
        about=("主表时间中实测、估算、缺失的占比。", "Shares of the main meters' time that were measured, estimated and missing."),
        empty=NO_DAYS,
        queries=[Sql("known_by_day_here", series=True)],
    ),
    Panel(
        kind="barchart",
        title=("月用量", "By month"),
        limits=(0, None),
        options={"xField": "month", "stacking": "none"},
        about=(
            "各主表合计,单位 kWh 或 m³;本月截至目前,最近 24 个月。",
            "The main meters together, in kWh or m³; 24 months up to the running one.",
        ),
        empty=NO_DAYS,
        queries=[Sql("used_by_month")],
        columns={"kwh": Column(("电", "electricity"), "kwatth"), "m3": Column(("水", "water"), "m3")},
    ),
    Panel(
        title=("电的分项用量", "Electricity by sub-item"),
        unit="kwatth",
        custom={**BARS, **STACKED},
        about=(
            "每度电计在最末级的表上;rest 为没有分项表的部分,合计等于主表。",
            "Each kWh where the lowest meter saw it; rest is what no meter with a sub-item saw. Together: the main meters.",
        ),
        empty=("该单位没有登记分项。", "no meter of the institution has a sub-item."),
        queries=[Sql("sub_items", series=True)],
    ),
)

METERS: Final = (
    Panel(
        width=24,
        height=9,
        title=("各表小时用量", "Meters by hour"),
        about=(
            "所选表的小时用量,单位 kWh 或 m³;缺口表示该小时没有数据。",
            "The meters chosen above, in kWh or m³; a gap is an hour of which nothing is known.",
        ),
        empty=("所选表在时间范围内没有数据;时间范围较长时请缩小。", "the meters chosen have nothing in the time range."),
        queries=[Sql("used_by_hour", series=True)],
    ),
    Panel(
        kind="table",
        title=("各表合计", "Meters, in sum"),
        about=(
            "时间范围内每块表的用量与完整性,缺失最多的在前。",
            "What each meter counted in the time range and how sure that is, the worst first.",
        ),
        empty=NO_DAYS,
        queries=[Sql("meters")],
        columns=columns("medium meter amount unit unallocated estimated_share missing_share"),
    ),
    Panel(
        title=("上下级表差额", "Gaps behind meters"),
        about=(
            "一块表减去其直接下级表,单位 kWh 或 m³:损耗及未分表计量的部分。持续为负说明表或层级有误。",
            (
                "A meter less those right behind it, in kWh or m³: losses, and what is not metered further. Below zero for long: "
                "a meter or the tree is wrong."
            ),
        ),
        empty=("没有带下级表的表。", "no meter has others behind it."),
        queries=[Sql("gaps", series=True)],
    ),
    Panel(
        width=24,
        title=("虚拟表", "Virtual meters"),
        custom=BARS,
        about=(
            "由公式从其他表算出,单位 kWh 或 m³;任何组成部分整日缺失则无值。",
            "Made of other meters by formula, in kWh or m³; no value where a part is missing all day.",
        ),
        empty=("该单位没有虚拟表。", "the institution has no virtual meter."),
        queries=[Sql("virtual_meters", series=True)],
    ),
)

FOUND: Final = (
    Panel(
        kind="table",
        width=24,
        title=("校验发现", "Findings"),
        about=(
            "涉及时间范围的发现,含已处理的;用 meterwarden findings 处理。",
            "Those that touch the time range, dealt with or not; `meterwarden findings` deals with them.",
        ),
        empty=NO_VALUES,
        queries=[Sql("findings")],
        columns=columns("finding severity rule medium meter from_day to_day impact unit impact_share state author reason"),
    ),
    Panel(
        kind="table",
        title=("表计事件", "Events of registers"),
        about=(
            "非正常步进:过零、复位、换表、尖峰、停走后补走、无法解释的跳变。",
            "Steps out of the ordinary: rollover, reset, exchange, spike, catch-up, unexplained.",
        ),
        empty=NO_VALUES,
        queries=[Sql("events")],
        columns=columns("to_at kind medium meter register amount unit from_at"),
    ),
    Panel(
        kind="table",
        title=("已关闭日的变更", "Closed days that changed"),
        about=(
            "迟到读数、人工修改或换表使已关闭的日发生的变化,按发生时间。",
            "By late readings, edits or exchanges, by when it happened.",
        ),
        empty=NO_VALUES,
        queries=[Sql("day_changes")],
        columns=columns("changed_at day medium meter register old_amount new_amount unit"),
    ),
    Panel(
        kind="table",
        title=("换表", "Exchanges"),
        about=(
            "申报的换表,每个版本一行;没有读数的版本表示撤回。",
            "Declared exchanges, a row a version; one without values withdraws it.",
        ),
        empty=NO_VALUES,
        queries=[Sql("exchanges")],
        columns=columns("exchanged_at version medium meter register old_final new_initial unit withdrawn author reason"),
    ),
    Panel(
        kind="table",
        title=("读数的人工裁定", "Decisions on readings"),
        about=(
            "对争议读数的人工裁定,每个版本一行;版本最高的有效。",
            "What people decided of disputed readings, a row a version; the highest counts.",
        ),
        empty=NO_VALUES,
        queries=[Sql("edits")],
        columns=columns("read_at version medium meter register value unit author reason"),
    ),
)

BOARD: Final = Board(
    name="institution",
    words=("单位", "institution"),
    about=(
        "一家单位:定额状态、用量去向、数据可信度、发现与变更。",
        "One institution: how it stands, what it used and where, how sure that is, what was found and changed.",
    ),
    variables=[
        REGION,
        Variable(
            name="institution",
            words=("单位", "Institution"),
            query="institution_choice",
        ),
        Variable(name="medium", words=("能源", "Medium"), values=MEDIA, several=True),
        Variable(
            name="meter",
            words=("表", "Meter"),
            several=True,
            on_time_range=True,
            query="meter_choice",
        ),
    ],
    rows=[
        Row(("定额", "Quotas"), STANDING),
        Row(("用量", "Use"), USE),
        Row(("表计", "Meters"), METERS),
        Row(("发现与变更", "Findings and changes"), FOUND),
    ],
    time_from="now-60d",
    refresh="5m",
)
