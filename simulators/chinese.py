"""Chinese of what the simulator's commands say and of their help, by their English; `{name}` stands for what is filled in."""

from typing import Final

HELP: Final[dict[str, str]] = {
    "A simulated fleet of institutions, and the ledger that tells what the database must then hold.":
        "模拟一批机构,并记账说明数据库此后应有的内容。",
    "Write the fleet's registry as CSV files into DIRECTORY.": "将模拟机构的台账以 CSV 写入 DIRECTORY。",
    "the same seed gives the same fleet and the same messages": "种子相同则机构与消息相同",
    "whose mix of institutions": "采用哪个城市的机构构成",
    "part of the city; 1: its census": "城市的比例,1 为全市",
    "how many institutions; default {number}": "机构数,默认 {number}",
    "month to simulate; default: the last closed one": "模拟的月份,默认最近一个已结束的月份",
    "Publish a month of readings, with faults, and note in the ledger what the database must hold afterwards.":
        "发布一个月的读数(含故障),并在账本中记下数据库此后应有的内容。",
    "new SQLite file": "新的 SQLite 文件",
    "{names}, or a TOML file": "{names},或 TOML 文件",
    "only the month's first days": "只取该月的前几天",
    "the broker": "消息代理",
    "its port": "端口",
    "user at the broker": "消息代理的用户",
    "file that holds the password": "存放密码的文件",
    "{what}; default: the scenario's": "{what};默认取情景的值",
    "share of messages that never leave": "从未发出的消息比例",
    "share of messages published twice": "重复发布的消息比例",
    "share of messages held back 1 to 48 hours": "延迟 1 至 48 小时的消息比例",
    "share of messages that let later ones pass by": "被后来者超过的消息比例",
    "share of messages with the retain flag": "带保留标志的消息比例",
    "malformed messages on top, for each good one": "每条正常消息附加的畸形消息",
    "messages of meaningless bytes on top": "附加的无意义字节消息",
    "messages with a false name on top": "附加的冒名消息",
    "messages with another value on top": "附加的示数冲突消息",
    "share of devices whose clock is off": "时钟不准的设备比例",
    "simulated over real time; 0: as fast as possible": "模拟时间与真实时间之比;0 为尽可能快",
    "connections to the broker": "到消息代理的连接数",
    "publish nothing: how fast is the stream, with --ledger or without": "不发布: 只测生成速度,可带 --ledger",
    "Write exchanges.csv into DIRECTORY, beside the registry: those exchanges of the ledger that somebody declares.":
        "将账本中有人申报的换表写入 DIRECTORY 下的 exchanges.csv,与台账放在一起。",
    "of simulate publish": "simulate publish 的账本",
    "Write what truly passed at every meter in every hour of a year, with the totals of institutions and months.":
        "写出一年中每块表每小时的真实用量,及各机构各月合计。",
    "year to simulate; public holidays are known for 2025 and 2026": "模拟的年份;已知 2025 与 2026 年的节假日",
    "share of institutions whose water begins to leak on some day": "某天开始漏水的机构比例",
    "share of institutions whose water begins to leak on some day of the year": "一年中某天开始漏水的机构比例",
    "processes that compute": "计算进程数",
    "Compare the database with the ledger; exit code 1 where they disagree.": "将数据库与账本比对;不一致时退出码为 1。",
    "the file `publish` wrote": "`publish` 写出的文件",
    "postgresql://…, as a user who may read the views": "postgresql://…,以可读视图的用户登录",
    "one JSON object instead of the summary": "输出一个 JSON 对象而非摘要",
    "a line for every single difference first, on standard error": "先在标准错误上逐条列出差异",
    "Publish readings as fast as the broker takes them; say how fast that was, and what this generator could do at most.":
        "以消息代理能接受的最快速度发布读数,并报告速度与本生成器的上限。",
    "The readings are distinct, one a meter and second, and end now. The meters must be registered: --registry writes their files.":
        "读数互不相同,每表每秒一条,止于现在。表计须已登记: --registry 写出其台账文件。",
    "how many messages": "消息数",
    "1: a meter's topic; more: a gateway's batch": "1: 表计主题;更多: 网关批次",
    "how many meters, of institution LOAD": "表计数,属机构 LOAD",
    "connections, each a client identifier of its own": "连接数,各有自己的客户端标识",
    "most unacknowledged publishes a connection": "每个连接最多未确认的发布",
    "messages a second over all; 0: as fast as possible": "每秒消息总数;0 为尽可能快",
    "only write the meters' registry files there": "只在该目录写出表计的台账文件",
    "Publish the series in FILE, CSV or Parquet, as meters would: see docs/replay.md.":
        "将 FILE(CSV 或 Parquet)中的序列按表计的方式发布: 见 docs/replay.md。",
    "The whole file is read and checked before anything is published.": "发布之前先读取并检查整个文件。",
    "default: the first": "默认第一列",
    "long file: column of the meters' names": "长格式: 表计名称所在列",
    "long file: column of the numbers": "长格式: 数值所在列",
    "replay this one; default: all; repeatable": "只重放此表;默认全部;可重复",
    "zone of times without an offset, such as Europe/Helsinki": "无偏移时间所属的时区,如 Europe/Helsinki",
    "as strptime takes it; default: ISO 8601": "strptime 格式;默认 ISO 8601",
    "of a CSV file, one character": "CSV 分隔符,一个字符",
    "of a CSV file": "CSV 文件的编码",
    "only so many rows": "最多行数",
    "leave out and count lines with mistakes; default: end at the first": "跳过并计数有误的行;默认遇错即止",
    "whose meters they are": "表计所属机构",
    "what the meters measure": "计量介质",
    "publish as this gateway; default: every meter by itself": "以此网关发布;默认各表自行发布",
    "most readings in a gateway's message": "网关每条消息最多读数",
    "of the meters, in --registry; default: main, of chargers sub": "表计角色,用于 --registry;默认 main,充电桩为 sub",
    "amounts of intervals starting or ending at their time, or register readings": "时段用量(以其时间为起或止),或表计示数",
    "of the numbers; default: kWh, of water m3": "数值的单位;默认 kWh,水为 m3",
    "what registers show at first": "寄存器的起始示数",
    "decimals a register shows": "寄存器显示的小数位数",
    "shift all times so that the last reading is now": "平移全部时间,使最后一条读数为现在",
    "shift by whole ones": "按整数个此单位平移",
    "3600: an hour a second; 0: no waiting": "3600: 每秒一小时;0: 不等待",
    "Draw a fleet into DIRECTORY, as SVG and PNG: a week of each class, a day of charging, a leak, a year's weather.":
        "将模拟结果以 SVG 与 PNG 画入 DIRECTORY: 各类机构一周、充电一日、漏水、全年天气。",
}  # fmt: skip
FAULTS: Final[dict[str, str]] = {
    "no scenario {name}; shipped are {names}, or name a TOML file": "没有情景 {name};内置有 {names},或指定 TOML 文件",
    "{name} is not TOML: {said}": "{name} 不是 TOML: {said}",
    "{key} = {found}: a rate is a number from 0 to 1": "{key} = {found}: 比例应为 0 到 1 的数",
    "{key} = {found}: give whole hours, at least 1": "{key} = {found}: 请给出整数小时,至少 1",
    "offline_hours = {found}: give the fewest and the most hours, such as [2, 30]":
        "offline_hours = {found}: 请给出最少与最多小时,如 [2, 30]",
    "{key} must be a text": "{key} 应为文本",
    "{key} must be a table, [{name}]": "{key} 应为表 [{name}]",
    "{where}: no key {key}; known are {known}": "{where}: 没有键 {key};可用 {known}",
    "{what}; check --ledger and the directory": "{what};请检查 --ledger 与目录",
    "{what}; give more --meters or fewer --messages": "{what};请增加 --meters 或减少 --messages",
    "{days} days of readings, one a meter and second, reach further back than intake accepts":
        "{days} 天的读数(每表每秒一条)超出接收的时间范围",
    "cannot write to {directory}: {said}; choose another directory": "无法写入 {directory}: {said};请换一个目录",
    "--scale says how many already; give one of the two": "--scale 已决定数量,两者只能给一个",
    "{what}; give year and month, or leave it out for the last closed month": "{what};请给出年月,或省略以取最近一个已结束的月份",
    "{text} is not a month such as 2026-10": "{text} 不是月份(如 2026-10)",
    "cannot read {path}: {said}; check --password-file": "无法读取 {path}: {said};请检查 --password-file",
    "pictures need matplotlib: pip install 'meterwarden[simulator]' ({name} is missing)":
        "画图需要 matplotlib: pip install 'meterwarden[simulator]'(缺少 {name})",
    "--ledger is missing: without it nobody can tell what the database must hold (only --dry-run can)":
        "缺少 --ledger: 没有账本便无法得知数据库应有的内容(仅 --dry-run 可以省略)",
    "{path} exists; delete it or name a new file with {option}": "{path} 已存在;请删除,或用 {option} 指定新文件",
    "no directory {path}; make it, or choose another {option}": "没有目录 {path};请创建,或换一个 {option}",
    "{said}\nThe ledger {path} is incomplete: delete it, and publish again with the same seed.":
        "{said}\n账本 {path} 不完整: 请删除后以相同种子重新发布。",
    "cannot write {path}: {said}; delete it, and choose a place with more room":
        "无法写入 {path}: {said};请删除它并换一个空间更大的位置",
    "a long file has both: give --meter-column and --value-column": "长格式须同时给出 --meter-column 与 --value-column",
    "{unit} is no unit of {medium}; give --unit {units}, or another --medium":
        "{unit} 不是 {medium} 的单位;请用 --unit {units},或换 --medium",
    "--delimiter is one character; for a tab, in bash: --delimiter {tab}":
        "--delimiter 是一个字符;制表符在 bash 中写作 --delimiter {tab}",
    "{text} cannot be a code: letters, digits, '.', '_' and '-', at most 64":
        "{text} 不能作代码: 只能用字母、数字、'.'、'_'、'-',至多 64 个",
    "{text} must lie from 0 to {most}": "{text} 应在 0 到 {most} 之间",
    "{text} is no zone; name one as in Asia/Shanghai or UTC": "{text} 不是时区;应如 Asia/Shanghai 或 UTC",
    "{text} is no number": "{text} 不是数字",
    "no ledger at {path}; `simulate publish` writes one": "{path} 处没有账本;`simulate publish` 会写出账本",
    "{path} is not a ledger ({said}); give the file `publish` wrote": "{path} 不是账本({said});请给出 `publish` 写出的文件",
    "cannot read the database: {said}\nCheck --database-url, and that `meterwarden migrate` has run.":
        "无法读取数据库: {said}\n请检查 --database-url,并确认已执行 `meterwarden migrate`。",
    "cannot connect to the broker at {broker}: {said}; check that it runs, and --host and --port":
        "无法连接消息代理 {broker}: {said};请确认它在运行,并检查 --host 与 --port",
    "cannot connect to the broker at {broker}: {said}; check that it runs, and user and password":
        "无法连接消息代理 {broker}: {said};请确认它在运行,并检查用户与密码",
    "no answer from {broker} for {seconds} s; is the broker overloaded or out of disk space?":
        "{broker} 在 {seconds} 秒内无应答;消息代理是否过载或磁盘已满?",
    "no acknowledgement for {seconds} s; is the broker overloaded or out of disk space?":
        "{seconds} 秒内没有确认;消息代理是否过载或磁盘已满?",
    "the connection broke: {said}; see the broker's log": "连接中断: {said};请查看消息代理日志",
    "{path}:1: no header line; the first line must name the columns": "{path}:1: 没有表头;第一行须为列名",
    "{path}:1: no column {name}; there are {some} (another --delimiter?)": "{path}:1: 没有列 {name};现有 {some}(分隔符是否有误?)",
    "{path}:1: {code} cannot be a meter's code; give it one with --meter {example}":
        "{path}:1: {code} 不能作表计代码;请用 --meter {example} 指定",
    "{path}:1: {meter} is told twice; name every meter once, with a code of its own":
        "{path}:1: {meter} 重复;每块表只写一次并有自己的代码",
    "{path}:1: column {name} stands there twice; rename one": "{path}:1: 列 {name} 重复;请改名其一",
    "{path}: no number in it to replay; see --meter, --meter-column and --limit":
        "{path}: 没有可重放的数值;见 --meter、--meter-column 与 --limit",
    "cannot read {path}: {said}; check the name": "无法读取 {path}: {said};请检查文件名",
    "{where}: not {encoding}; name the right one with --encoding, such as gb18030":
        "{where}: 不是 {encoding};请用 --encoding 指定正确编码,如 gb18030",
    "{where}: {said}; is it a CSV file? See --delimiter": "{where}: {said};是 CSV 文件吗?见 --delimiter",
    "{path}: Parquet needs pyarrow: pip install 'meterwarden[simulator]'":
        "{path}: Parquet 需要 pyarrow: pip install 'meterwarden[simulator]'",
    "{path}: {said}; is it a whole Parquet file?": "{path}: {said};是完整的 Parquet 文件吗?",
    "(--skip-bad-lines leaves such lines out and counts them)": "(--skip-bad-lines 会跳过并计数这样的行)",
    "{where}: not as many fields as the header has columns; quote fields that hold a --delimiter":
        "{where}: 字段数与表头不符;含分隔符的字段请加引号",
    "{where}: {time} of {name} does not lie after the time before it; sort the file, drop repetitions":
        "{where}: {name} 的时间 {time} 不晚于前一个;请排序并去重",
    "{where}: {text} of {name} is no number; choose the columns to replay with --meter, or correct it":
        "{where}: {name} 的 {text} 不是数字;请用 --meter 选择要重放的列,或修正",
    "{where}: {text} is no time; name the right column with --time-column":
        "{where}: {text} 不是时间;请用 --time-column 指定正确的列",
    "{where}: {text} has no offset; say which zone's time it is with --timezone, such as Europe/Helsinki":
        "{where}: {text} 没有偏移;请用 --timezone 说明时区,如 Europe/Helsinki",
    "{where}: {text} came twice in {zone} (the clocks went back); write it with its offset":
        "{where}: {text} 在 {zone} 出现两次(时钟回拨);请写出偏移",
    "{where}: {text} never came in {zone} (the clocks went forward); is it another zone's time, or UTC?":
        "{where}: {text} 在 {zone} 不存在(时钟前拨);是否为其他时区或 UTC?",
    "{where}: {text} is no time as {format}; correct --time-format": "{where}: {text} 不符合格式 {format};请修正 --time-format",
    "{where}: {text} is no time as ISO 8601 writes it; say how it is written with {example}":
        "{where}: {text} 不是 ISO 8601 时间;请用 {example} 说明写法",
}  # fmt: skip
SAID: Final[dict[str, str]] = {
    "{number} exchanges in {path}": "{path} 中有 {number} 次换表",
    "next: meterwarden registry import {path}, then the same command without --registry":
        "下一步: meterwarden registry import {path},再不带 --registry 执行同一命令",
    "next: meterwarden registry import {path}": "下一步: meterwarden registry import {path}",
    "{number} files for {institutions} institutions in {path}": "已为 {institutions} 家机构在 {path} 写出 {number} 个文件",
    "registry of {number} meters of institution {institution} in {path}": "机构 {institution} 的 {number} 块表的台账位于 {path}",
    "{number} messages acknowledged in {seconds} s: {rate}/s, {readings} readings/s":
        "{seconds} 秒内确认 {number} 条消息: {rate} 条/秒,{readings} 读数/秒",
    "{number} messages acknowledged in {seconds} s: {rate}/s": "{seconds} 秒内确认 {number} 条消息: {rate} 条/秒",
    "write to PUBACK: p50 {half} ms, p99 {most} ms": "从写出到 PUBACK: p50 {half} 毫秒,p99 {most} 毫秒",
    "this generator's own ceiling: {rate} messages/s ({each} us of CPU each)": "本生成器的上限: {rate} 条/秒(每条 CPU {each} 微秒)",
    "it was near its ceiling: the broker may take more; run a second generator beside it":
        "已接近上限: 消息代理或许还能接受更多;请并行再开一个生成器",
    "dry run: {messages} messages with {readings} readings in {seconds} s: {rate} readings/s":
        "试运行: {seconds} 秒内 {messages} 条消息,{readings} 条读数: {rate} 读数/秒",
    "{first} to {last} UTC": "{first} 至 {last} UTC",
    "{values} values of {meters} meters, readings from {ends}":
        "{meters} 块表的 {values} 个数值,读数自 {ends}",
    "{number} values are missing and skipped": "{number} 个数值缺失,已跳过",
    "{number} mistakes skipped, such as": "跳过 {number} 处错误,例如",
    "all times shifted by {shift}: the last reading is at {last} UTC": "全部时间平移 {shift}: 最后一条读数在 {last} UTC",
    "note: intake accepts readings {days} days back unless METERWARDEN_INTAKE__ACCEPT_DAYS_BACK says more; see --shift-to-now and "
    "--limit": "注意: 默认只接收 {days} 天内的读数(可用 METERWARDEN_INTAKE__ACCEPT_DAYS_BACK 放宽);见 --shift-to-now 与 --limit",
    "{count} meter-months in {seconds} s, {size} MB in {path}": "{seconds} 秒内 {count} 个表月,{path} 共 {size} MB",
    "published": "已发布",
    "messages": "条消息",
    "institutions": "机构",
    "messages     {published} distinct published; {repeated} publishes were repeats":
        "消息         发布 {published} 条不同消息;重复发布 {repeated} 次",
    "  good       {stored} to be stored, {disputed} of them to be disputed":
        "  正常       应入库 {stored} 条,其中有争议 {disputed} 条",
    "  malformed  {rejected} to be rejected, {quarantined} in quarantine":
        "  畸形       应拒收 {rejected} 条,隔离区 {quarantined} 条",
    "  other      {dropped} dropped before they were published, {statuses} states of gateways and chargers":
        "  其他       发布前丢弃 {dropped} 条,网关与充电桩状态 {statuses} 条",
    "readings     {expected} expected, {found} found, {missing} missing, {extra} extra, {different} different":
        "读数         应有 {expected},实有 {found},缺失 {missing},多出 {extra},不符 {different}",
    "months       {periods} of meters in {unit}, largest difference {largest} ({steps} display steps)":
        "月           {periods} 个表期({unit}),最大差 {largest}({steps} 个显示步长)",
    "hours        {periods} of meters in {unit}, largest difference {largest} ({steps} display steps)":
        "小时         {periods} 个表期({unit}),最大差 {largest}({steps} 个显示步长)",
    "sessions     {expected} of charging expected, {found} found": "充电会话     应有 {expected},实有 {found}",
    "flags        {expected} expected, {raised} raised": "超额标记     应有 {expected},实有 {raised}",
    "explained    {what}": "已解释       {what}",
    "=> the database agrees with the ledger (consumption within one display step, or with a reason)":
        "=> 数据库与账本一致(用量差不超过一个显示步长,或有原因)",
    "=> {number} kinds of disagreement": "=> {number} 类不一致",
}  # fmt: skip
CHINESE: Final[dict[str, str]] = {**HELP, **FAULTS, **SAID}
