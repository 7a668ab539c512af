"""The quota board: who is over, who will be, who cannot be assessed and why. One period at a time."""

from typing import Final

from ingest.dashboards.board import REGION, Board, Row, Variable
from ingest.dashboards.columns import columns
from ingest.dashboards.panels import FIELDS, STACKED, Panel, Sql
from ingest.dashboards.words import INDICATORS, LEVELS, PERIODS, lines

NOT_ASSESSED: Final = (
    "所选周期没有评估结果:该周期尚无读数结算,或没有单位、定额。",
    "nothing was assessed in this period: no readings of it are settled, or there are no institutions or quotas.",
)
STANDING: Final = (
    Panel(
        kind="stat",
        width=24,
        height=4,
        title=("各状态评估数", "Standings by level"),
        about=(
            "所选周期内单位与指标的组合,按最近一次评估的状态计数。",
            "Pairs of institution and indicator in the period, by the level of their newest day.",
        ),
        empty=NOT_ASSESSED,
        options=FIELDS,
        queries=[Sql("levels")],
        columns=lines(LEVELS),
    ),
    Panel(
        kind="table",
        width=24,
        height=14,
        title=("单位排名", "Institutions, furthest up first"),
        about=(
            (
                "点击单位编码打开单位看板。已用比例以约束值为 100%;缺失占比高时结论不可靠,缺失只会使已用量偏低。"
                "评级仅对已结束的周期给出。"
                "“示例定额”表示该定额行是虚构示例,不得用于考核。"
            ),
            (
                "A code opens the institution. Used and projected are shares of the constraint value. What is missing can only "
                "add to what was used. A rating is given to closed periods only. "
                "Sample: the quota row is invented, and no verdict for anybody."
            ),
        ),
        empty=NOT_ASSESSED,
        queries=[Sql("ranking")],
        columns=columns(
            "institution name region indicator level used_ratio projected_ratio used allowance indicator_unit"
            " missing_share rating as_of quota sample"
        ),
    ),
)

COURSE: Final = (
    Panel(
        title=("各状态数量变化", "Levels by day"),
        custom=STACKED,
        about=("时间范围内每个本地日的评估状态数。", "Standings on each local day of the time range, by level."),
        empty=("时间范围内没有评估;请调整右上角的时间。", "no day of the time range was assessed: move the time range."),
        queries=[Sql("levels_by_day", series=True)],
        columns=lines(LEVELS),
    ),
    Panel(
        kind="table",
        title=("状态变化", "Changes of level"),
        about=("时间范围内状态发生变化的单位,最近的在前。", "Who came to another level in the time range, newest first."),
        empty=("时间范围内没有状态变化。", "no level changed in the time range."),
        queries=[Sql("level_changes")],
        columns=columns("day institution name indicator previous_level level used_ratio"),
    ),
)

EVIDENCE: Final = (
    Panel(
        kind="table",
        title=("无法评估的原因", "Why not assessable"),
        about=(
            "缺少什么:类别、气候区、建筑面积、人数、定额行或足够的数据。不会套用默认定额。",
            "What lacks: class, climate zone, floor area, people, a quota row, or time that is known. No default row is ever used.",
        ),
        empty=("全部单位均可评估。", "everybody can be assessed."),
        queries=[Sql("not_assessable")],
        columns=columns("lacking indicator standings examples"),
    ),
    Panel(
        kind="table",
        title=("所用定额及出处", "Quotas applied, and their source"),
        about=(
            "所选周期内实际使用的定额行。软件不附带任何标准;“示例定额”为虚构数值。",
            "The quota rows that were applied in the period. No standard is shipped as truth; samples are invented numbers.",
        ),
        empty=NOT_ASSESSED,
        queries=[Sql("quotas_applied")],
        columns=columns("quota indicator standard edition table_no source confidence excludes sample standings"),
    ),
)

BOARD: Final = Board(
    name="quotas",
    words=("定额看板", "quota board"),
    about=(
        "哪些单位超定额、将超定额、无法评估及其原因;每次一个周期。",
        "Who is over quota, who will be, who cannot be assessed and why; one period at a time.",
    ),
    variables=[
        Variable(name="period_kind", words=("周期类型", "Period kind"), values=PERIODS),
        Variable(
            name="period",
            words=("周期", "Period"),
            query="period_choice",
        ),
        Variable(name="indicator", words=("指标", "Indicator"), several=True, values=INDICATORS),
        REGION,
    ],
    rows=[
        Row(("现状", "How they stand"), STANDING),
        Row(("变化", "How it came about"), COURSE),
        Row(("依据", "Evidence"), EVIDENCE),
    ],
    time_from="now-90d",
    refresh="5m",
)
