"""What is wrong with registry files."""

from typing import Final

REGISTRY: Final[dict[str, str]] = {
    "{file}.csv:{line}: {said}": "{file}.csv:{line}: {said}",
    "sheet {sheet}, row {line}: {said}": "工作表 {sheet} 第 {line} 行: {said}",
    "{said} (some of it is only in the database: add it to the files)": "{said}(部分内容仅在数据库中,请补入文件)",
    "{column}: {said} (found {found})": "{column}: {said}(现为 {found})",
    "{column}: Field required": "{column}: 缺少此项",
    "{column}: this column is missing; docs/registry.md names them all": "{column}: 缺少此列,全部列见 docs/registry.md",
    "{column}: there is no such column; correct its name, or leave it out": "{column}: 没有这一列,请改正列名或删去",
    "fields are parted by {sign}; save it as CSV with commas": "字段以 {sign} 分隔,请另存为以逗号分隔的 CSV",
    "{path}: missing; write it with the columns in docs/registry.md": "{path}: 缺少此文件,请按 docs/registry.md 的列编写",
    "{path}: not UTF-8; save it as UTF-8 (a spreadsheet offers 'CSV UTF-8')":
        "{path}: 不是 UTF-8,请另存为 UTF-8(电子表格中选“CSV UTF-8”)",
    "{path}: {said}; open it in a spreadsheet and save it again as CSV": "{path}: {said};请用电子表格打开后重新存为 CSV",
    "a column stands twice in the header, or is called line_number": "表头有重复的列,或有列名为 line_number",
    "more fields than the header has columns; quote fields that hold a comma": "字段多于表头的列,含逗号的字段请加引号",
    "{path}: an old .xls file, or one with a password; save it as .xlsx without a password":
        "{path}: 旧式 .xls 文件或带密码的文件,请另存为不带密码的 .xlsx",
    "{path}: not an Excel workbook, or a damaged one{kind}; open it in a spreadsheet and save it as .xlsx":
        "{path}: 不是 Excel 工作簿或已损坏{kind},请用电子表格打开后另存为 .xlsx",
    "{path}: not an Excel workbook, or a damaged one; open it in a spreadsheet and save it as .xlsx":
        "{path}: 不是 Excel 工作簿或已损坏,请用电子表格打开后另存为 .xlsx",
    "{path}: larger than {size} MiB unpacked; delete the blank rows below the last line, and pictures":
        "{path}: 解压后超过 {size} MiB,请删除末行以下的空行及图片",
    "{path}: has too many formats; copy the values of its sheets into a new workbook":
        "{path}: 格式过多,请将各工作表的值复制到新工作簿",
    "sheet {name} is hidden, and read all the same": "工作表 {name} 是隐藏的,仍已读取",
    "sheet {name} is none of the registry's, and not read": "工作表 {name} 不属于台账,未读取",
    "sheet {title}: is this {name}? name it so": "工作表 {title}: 是否应为 {name}?请改用此名",
    "sheet {name}: missing; add it with the columns in docs/registry.md": "工作表 {name}: 缺失,请按 docs/registry.md 的列补充",
    "sheet {name}: cells {cells} are merged; part them and fill each one":
        "工作表 {name}: 单元格 {cells} 已合并,请取消合并并逐格填写",
    "empty; the names of the columns belong here": "为空,列名应在此行",
    "{column}: its column has no name in row 1; give it one, or empty the cell":
        "{column}: 该列在第 1 行没有列名,请补列名或清空单元格",
    "{column}: a date, where none belongs (found {found}); format the cell as text and type it again":
        "{column}: 此处不应为日期(现为 {found}),请将单元格设为文本后重新输入",
    "{column}: the formula has no value; open the workbook in a spreadsheet and save it, or write the value":
        "{column}: 公式没有保存的值,请用电子表格打开工作簿并保存,或直接填写数值",
    "{column}: the cell shows {error}; correct its formula, or write the value":
        "{column}: 单元格显示 {error},请修正公式或直接填写数值",
    "{column}: a number that is shown in another way ({shown}); format a code as text and type it again, a number as General":
        "{column}: 数字的显示格式改变了其写法({shown}),代码请设为文本后重新输入,数值请设为常规格式",
    "{column}: a number of more than 15 digits, of which Excel keeps 15; format the cell as text and type it again":
        "{column}: 数字超过 15 位,Excel 只保留 15 位,请将单元格设为文本后重新输入",
    "the formula has no value; open the workbook in a spreadsheet and save it, or write the value":
        "公式没有保存的值,请用电子表格打开工作簿并保存,或直接填写数值",
    "region: {name} is not in {place}; add it there": "region: {name} 不在 {place} 中,请补入",
    "institution: {name} is not in {place}; add it there": "institution: {name} 不在 {place} 中,请补入",
    "charger: {name} is no meter of medium charger; add it to {place}": "charger: {name} 不是介质为 charger 的表计,请补入 {place}",
    "meter: {name} is a meter in {place}; give the virtual one another code":
        "meter: {name} 已是 {place} 中的表计,虚拟表计请另取代码",
    "parent: {name} is no meter of the institution and medium; add it or leave it empty":
        "parent: {name} 不是该机构该介质的表计,请补入或留空",
    "meter: {name} has no register {register} then; correct one of the two files":
        "meter: {name} 当时没有寄存器 {register},请修正两个文件之一",
    "old_final, new_initial: more than register_digits of the meter can show; correct one of them":
        "old_final、new_initial: 超出表计 register_digits 能显示的范围,请修正其一",
    "{what} stands already in line {line}; remove one of them": "{what} 已在第 {line} 行,请删去其一",
    "valid_to: must lie after valid_from": "valid_to: 必须晚于 valid_from",
    "valid_from: lies within the time of line {line}; end that one with valid_to":
        "valid_from: 落在第 {line} 行的有效期内,请先用 valid_to 结束那一行",
    "an institution could fall under this row and line {line}; end one, or tell them apart":
        "同一机构可能同时适用本行与第 {line} 行,请结束其一或加以区分",
    "{what}: {columns} differ, but verdicts name this row: end it with valid_to and add a new code":
        "{what}: {columns} 有变,但已有结论引用此行: 请用 valid_to 结束它并另立代码",
    "{what}: a region's time zone cannot change under its readings: add a region": "{what}: 已有读数的地区不能改时区,请新增地区",
    "time zone {zone} is not known to the database: use its present name, such as Asia/Shanghai":
        "数据库不认识时区 {zone}: 请用现行名称,如 Asia/Shanghai",
    "time zone {zone} is not supported: the database begins {day} at another instant (tzdata of another age?)":
        "不支持时区 {zone}: 数据库中 {day} 的起点不同(时区数据版本不一致?)",
    "write a date such as 2026-01-01, not before 1900": "日期写作 2026-01-01,不早于 1900 年",
    "write a date such as 2026-01-01, or a time with its offset, such as 2026-01-01T08:00:00+08:00":
        "写作日期如 2026-01-01,或带偏移的时间如 2026-01-01T08:00:00+08:00",
    "write a time with its offset, such as 2026-01-01T08:00:00+08:00": "时间须带偏移,如 2026-01-01T08:00:00+08:00",
    "unknown sub-item {code}: use {codes}, or leave it empty": "未知分项 {code}: 可用 {codes},或留空",
    "{code} is the service's own: choose another code": "{code} 为系统保留,请另取代码",
    "sub_item: sub-items divide electricity; leave it empty for water": "sub_item: 分项只用于电,水表请留空",
    "unknown register {code}: use {codes}": "未知寄存器 {code}: 可用 {codes}",
    "registers must include {register}, which every reading carries": "registers 须含 {register},每条读数都带有它",
    "unknown indicator {code}: use {codes}": "未知指标 {code}: 可用 {codes}",
    "unit of {indicator} is {unit}, not {given}": "{indicator} 的单位为 {unit},不是 {given}",
    "excludes: {indicator} has no sub-items to leave out; leave it empty": "excludes: {indicator} 没有可排除的分项,请留空",
    "tiers must rise: guide <= benchmark <= constraint": "各级须递增: 引导值 <= 基准值 <= 约束值(guide <= benchmark <= constraint)",
    "unknown exclusion {name}: use sub-items ({codes}), {charger} or {public}":
        "未知排除项 {name}: 可用分项({codes})、{charger} 或 {public}",
    "parent: a main meter has none; leave it empty, or make the meter a branch": "parent: 总表没有上级,请留空或改为 branch",
    "parent: a check meter names the meter it checks": "parent: 校核表须指明所校核的表计",
    "parent: {name} is a charger and an electricity meter; give one of them another code":
        "parent: {name} 既是充电桩又是电表,请为其一另取代码",
    "parent: {name} is a check meter, behind which nothing hangs": "parent: {name} 是校核表,其下不能有表计",
    "formula: {name} is a check meter, which is never summed": "formula: {name} 是校核表,不参与求和",
    "{column}: {name} is no meter of the institution and medium all the time this line holds; let it begin no later and end no "
    "earlier": "{column}: 在本行有效期内 {name} 并非始终是该机构该介质的表计,请使其有效期覆盖本行",
    "{column}: leads back to {name} itself; a meter cannot be part of itself":
        "{column}: 又指回 {name} 本身,表计不能是自己的一部分",
    "formula: its meters cancel each other out; nothing is left": "formula: 各表计相互抵消,没有剩余",
    "formula: through other virtual meters a meter counts more than {number} times":
        "formula: 经其他虚拟表计,某表计计入超过 {number} 次",
    "formula: {name} would count twice among {beside}; hang it behind this meter, or leave it out":
        "formula: {name} 会在 {beside} 中重复计入,请挂在本表计之下或去掉",
    "main meters": "总表",
    "what hangs behind {name}": "{name} 之下的表计",
    "a formula names at least one meter: {how}": "公式至少要有一个表计: {how}",
    "a meter is missing after {sign}: {how}": "{sign} 之后缺少表计: {how}",
    "more than {number} meters: sum some of them in a virtual meter of their own":
        "表计超过 {number} 个: 请先用另一虚拟表计汇总其中一部分",
    "{sign} stands where + or - belongs: {how}": "{sign} 处应为 + 或 -: {how}",
    "the coefficient of {meter} must lie between 1 and {number}": "{meter} 的系数应在 1 到 {number} 之间",
    "{code} stands twice: write it once, with its coefficient": "{code} 出现两次: 请合并为一次并写系数",
    "{meter} is no meter: {how}": "{meter} 不是表计: {how}",
    "sheet {sheet}": "工作表 {sheet}",
}  # fmt: skip
