"""What is wrong with settings: our own checks, and pydantic's."""

from typing import Final

SETTINGS: Final[dict[str, str]] = {
    "{name}: there is no such setting; did you mean {meant}?": "{name}: 没有这项设置,是否指 {meant}?",
    "{name}: there is no such setting": "{name}: 没有这项设置",
    "{name}: write it as {example}, one variable each": "{name}: 请写作 {example},每项一个变量",
    "{name}: write it as {example}": "{name}: 请写作 {example}",
    "METERWARDEN_{name}: {said}": "METERWARDEN_{name}: {said}",
    "Extra inputs are not permitted": "没有这项设置",
    "Field required": "缺少此项",
    "Input should be less than or equal to {limit}": "应不大于 {limit}",
    "Input should be greater than or equal to {limit}": "应不小于 {limit}",
    "Input should be less than {limit}": "应小于 {limit}",
    "Input should be greater than {limit}": "应大于 {limit}",
    "Input should be a finite number": "应为有限的数",
    "Input should be a valid integer, unable to parse string as an integer": "应为整数",
    "Input should be a valid integer": "应为整数",
    "Input should be a valid number, unable to parse string as a number": "应为数字",
    "Input should be a valid number": "应为数字",
    "Input should be a valid decimal": "应为十进制数",
    "Input should be a valid boolean, unable to interpret input": "应为 true 或 false",
    "Input should be a valid string": "应为文本",
    "Input should be a valid dictionary or instance of {name}": "应为一组设置({name})",
    "Input should be {choices}": "应为 {choices}",
    "String should have at least {number} character": "至少 {number} 个字符",
    "String should have at least {number} characters": "至少 {number} 个字符",
    "String should have at most {number} character": "至多 {number} 个字符",
    "String should have at most {number} characters": "至多 {number} 个字符",
    "String should match pattern {pattern}": "应符合模式 {pattern}",
    "not a connection string; write it as {example}": "不是连接字符串,请写作 {example}",
    "a password in it must be percent-encoded (@ as %40, / as %2F, : as %3A, ? as %3F, # as %23, % as %25), or left out and "
    "given in a file":
        "其中的密码须作百分号编码(@ 写作 %40,/ 写作 %2F,: 写作 %3A,? 写作 %3F,# 写作 %23,% 写作 %25),或从中去掉并放入文件",
    "must be a host name or address alone; port, user and password file have settings of their own":
        "应只写主机名或地址;端口、用户与密码文件另有设置",
    "tls_certificate_file and tls_key_file need tls_ca_file, or the connection is made without TLS":
        "tls_certificate_file 与 tls_key_file 须与 tls_ca_file 同时设置,否则连接不加密",
    "tls_key_file needs tls_certificate_file": "tls_key_file 须与 tls_certificate_file 同时设置",
    "uncommitted_bytes must not lie below bytes, or a batch never fills": "uncommitted_bytes 不得小于 bytes,否则批次永远不满",
    "within_seconds must be at least twice every_seconds, or one late canary takes readiness":
        "within_seconds 至少为 every_seconds 的两倍,否则一次自检迟到即失去就绪",
    "broker.receive_maximum ({given}) must be at least twice batch.messages ({messages}), or a batch never fills while another is "
    "written": "broker.receive_maximum ({given}) 至少为 batch.messages ({messages}) 的两倍,否则写入一批时下一批无法填满",
    "storage.raw_retention_days ({kept}) must be at least intake.accept_days_back and {gap} days ({least}), or a repeated "
    "reading is stored again":
        "storage.raw_retention_days ({kept}) 至少为 intake.accept_days_back 加 {gap} 天({least}),否则重复的读数会再次入库",
    "time zone {zone} is not known: use an IANA name such as Asia/Shanghai": "时区 {zone} 未知: 请用 IANA 名称,如 Asia/Shanghai",
    "time zone {zone} is not supported: its local full hours move against UTC within a year":
        "不支持时区 {zone}: 其整点在一年内相对 UTC 移动",
}  # fmt: skip
