"""What a rule of validation says of itself, its severities, and the states of a finding."""

from typing import Final

FINDINGS: Final[dict[str, str]] = {
    "received_at - read_at of the day's fastest reading is below -2 minutes.":
        "当日最快读数的 received_at - read_at 低于 -2 分钟。",
    "Every reading of the day is older than two hours on arrival, and all by about the same.":
        "当日全部读数到达时均已超过两小时,且延迟大致相同。",
    "A day is 2.5 times the busiest weekday's median (water: three) and six spreads above it, or its base load has multiplied.":
        "日用量达最忙星期日型中位数的 2.5 倍(水: 3 倍)且高出六倍离散度,或基础负荷成倍增加。",
    "A day's amount is above zero and below what days at rest come to, or its base load has gone: a part is not counted.":
        "日用量大于零而低于休息日水平,或基础负荷消失: 有一部分未被计量。",
    "The highest interval of the day stands alone, and further out than on any day before; a charger's also above all of them.":
        "当日最高时段孤立突出,超出程度大于以往任何一日;充电桩还须高于以往全部时段。",
    "Registered for a week and longer, and nothing was ever received: never commissioned, or under another name.":
        "登记已满一周而从未收到数据: 尚未投运,或以其他名称上报。",
    "Readings arrive and the register does not move, half as long again as it usually stands still on any weekday.":
        "有读数到达而示数不动,时长为平日静止时间的一倍半。",
    "Readings arrive for two weeks and longer, and every one shows the same value: a dead feed, or a spare meter.":
        "两周以上读数示数始终相同: 数据源失效,或为备用表。",
    "At least three equal readings, then an advance that makes up for them: the meter counted on, what it told did not.":
        "至少三条相同读数后一次补足: 表计仍在计量,上报的示数未变。",
    "After a stand-still or a silence more, or less, came at once than can have passed: counted twice, or lost.":
        "静止或静默之后,一次到来的用量多于或少于可能值: 重复计入或丢失。",
    "No reading on the day, from a meter that has been heard in the eight weeks before.": "此前八周内有读数的表计当日无读数。",
    "A quarter of the day's readings or more did not arrive; a meter that never sent so many is not expected to.":
        "当日四分之一以上读数未到;从未发过这么多的表计不作此要求。",
    "Readings come half as often, or half as often again, as on each of the seven days before.":
        "读数频率为此前七日每日的一半,或一倍半。",
    "Several values are claimed for one and the same time: settlement uses none of them until somebody decides.":
        "同一时刻有多个示数: 裁定之前结算均不采用。",
    "The tariff registers of a week do not add up to the total register.": "一周内各费率寄存器之和与总寄存器不符。",
    "The meters behind a meter add up to more than it, or leave more or less of it unseen than they do on any weekday.":
        "下级表计之和超过上级,或未计量部分多于或少于以往任一星期日型。",
    "The day, or a value of the register, is a thousand times what it was, or a thousandth.":
        "当日用量或示数为以往的千倍或千分之一。",
    "Judged a week after a change of ratio: consumption moved by the same factor, so the register did not notice it.":
        "倍率变更一周后判定: 用量按同一倍数变化,说明寄存器未受影响。",
    "Between 01:00 and 05:00 more has flowed than it used to, three nights in a row.": "连续三夜 01:00 至 05:00 的流量高于以往。",
    "For three days no hour was at rest, where at least two hours a day usually are.":
        "平日每天至少两小时无流量,却连续三天没有静止的小时。",
    "The register went on elsewhere: reset, exchanged without a record, or broken. What passed meanwhile is not booked.":
        "寄存器从别处继续: 清零、换表未登记或损坏。期间用量未计入。",
    "Two registers went on from each other's values: from then on each meter reports under the other's code.":
        "两个寄存器各从对方的示数继续: 此后两表互用对方的编号上报。",
    "Three or more values of the day were set aside as dips or spikes.": "当日有三个以上示数被作为突降或突升剔除。",
    "open": "未处理",
    "acknowledged": "已确认",
    "closed": "已关闭",
    "reopened": "重新打开",
    "withdrawn": "已撤销",
}  # fmt: skip
