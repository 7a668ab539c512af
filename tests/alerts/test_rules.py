"""The alert rules: what promtool says of them, and that they agree with metrics, settings, runbook and their own cases."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from ingest.alerts import rules, without_waiting
from ingest.errors import Reason
from ingest.metrics import OUTCOMES, STATE_OUTCOMES, Metrics
from ingest.settings import QuotaSettings, SettlementSettings
from ingest.stack import programs

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "ingest" / "alerts").glob("*.yaml"))
CASES = [Path(__file__).with_name(f"{path.stem}_test.yaml") for path in RULES]
RUNBOOK = ROOT / "docs" / "runbook.md"
WATCHDOG = "MeterwardenWatchdog"
"""Always fires."""
OF_NODES = {
    "node_filesystem_avail_bytes", "node_filesystem_size_bytes", "node_filesystem_device_error",
}  # fmt: skip
"""Metrics of the node exporter; tests/deploy/test_nodes.py holds them against the real one."""
OF_BACKUPS = {
    f"meterwarden_backup_{name}"
    for name in ("failed", "success_timestamp_seconds", "expected_timestamp_seconds", "size_bytes", "duration_seconds")
}
"""What deploy/database/backup writes for the node exporter; tests/deploy/test_nodes.py has it read there."""
ANNOTATIONS = {"summary", "summary_zh", "description", "description_zh", "runbook_url"}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule of the file, as far as the tests read it."""

    name: str
    keys: frozenset[str]
    severity: str
    runbook_url: str


def alerts() -> list[Alert]:
    """The alerting rules, read by line: the files are in block style, one key a line."""
    found = []
    for block in re.split(r"^ {6}- ", rules(), flags=re.MULTILINE)[1:]:
        if block.startswith("alert: "):
            keys = dict(re.findall(r"^ *(\w+):(?: (.*))?$", block, re.MULTILINE))
            found.append(Alert(keys["alert"], frozenset(keys), keys["severity"], keys["runbook_url"]))
    return found


def expressions() -> list[str]:
    """The expressions of all rules, without their comments."""
    found = re.findall(r"^ {8}expr: (?:\|\n((?: {10}.*\n)+)|(.+)\n)", rules(), re.MULTILINE)
    return [re.sub(r"^ *#.*\n", "", block or line, flags=re.MULTILINE) for block, line in found]


def selected(expression: str) -> set[str]:
    """The metrics an expression selects, recorded ones apart: every name that is no function, keyword, label or duration."""
    text = re.sub(r"#.*", "", expression)
    text = re.sub(r"\{[^}]*\}|\[[^]]*\]|\boffset \w+", " ", text)
    text = re.sub(r"\b(?:by|without|on|ignoring|group_left|group_right) ?\([^)]*\)", " ", text)
    names = re.findall(r"(?<![\w:.])[a-zA-Z_][\w:]*(?! *\()(?![\w:])", text)
    return {name for name in names if ":" not in name} - {"and", "or", "unless", "bool", *AGGREGATIONS}


AGGREGATIONS = ("sum", "max", "min", "avg", "count")


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([programs(print).promtool, *arguments], capture_output=True, text=True, check=False, timeout=900)


def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    """Both as shipped and as demonstrated, and it reads as many rules as these tests do; each file is one by itself too."""
    for path in RULES:
        checked = promtool("check", "rules", "--lint-fatal", path)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    for text in (rules(), without_waiting(rules())):
        path = tmp_path / "rules.yaml"
        path.write_text(text, encoding="utf-8")
        checked = promtool("check", "rules", "--lint-fatal", path)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert f"SUCCESS: {len(expressions())} rules found" in checked.stdout
        assert len(expressions()) == len(alerts()) + rules().count("- record: ")


def test_every_case_holds() -> None:
    """Each alert fires, and stays silent, exactly where the cases of its file say."""
    tested = promtool("test", "rules", *CASES)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_no_alert_fires_where_nothing_is_known(tmp_path: Path) -> None:
    """Without a series of ours only the missing service is an alert, for as long as most of them wait; and the watchdog."""
    (tmp_path / "rules.yaml").write_text(rules(), encoding="utf-8")
    names = sorted({alert.name for alert in alerts()} - {"MeterwardenIngestDown", WATCHDOG})
    checks = "".join(f"      - {{eval_time: 7h, alertname: {name}, exp_alerts: []}}\n" for name in names)
    case = f"rule_files: [rules.yaml]\ntests:\n  - input_series: [{{series: 'up', values: 1x420}}]\n    alert_rule_test:\n{checks}"
    (tmp_path / "cases.yaml").write_text(case, encoding="utf-8")
    tested = promtool("test", "rules", tmp_path / "cases.yaml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_has_a_firing_and_a_silent_case() -> None:
    """Firing by name and severity, silent by name; but for the one that is never silent."""
    cases = [
        case for path in CASES for case in re.split(r"^ +alertname: ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    ]
    silent = {case.split()[0] for case in cases if re.search(r"^ +exp_alerts: \[\]$", case, re.MULTILINE)}
    firing = {(case.split()[0], severity) for case in cases for severity in re.findall(r"exp_labels: \{severity: (\w+)", case)}
    assert firing == {(alert.name, alert.severity) for alert in alerts()}
    assert silent == {alert.name for alert in alerts()} - {WATCHDOG}


def test_every_alert_is_complete() -> None:
    """Name, `for`, a known severity, and every annotation in both languages."""
    for alert in alerts():
        assert re.fullmatch(r"Meterwarden([A-Z][a-z]+)+", alert.name)
        assert alert.keys >= {"expr", "for", "labels", "annotations", *ANNOTATIONS}, alert.name
        assert alert.severity in (("none",) if alert.name == WATCHDOG else ("critical", "warning", "info"))


def test_every_metric_in_the_rules_exists() -> None:
    """A metric that was renamed would silence its alert without a word. Of Prometheus itself there is `up` alone."""
    registry = CollectorRegistry()
    Metrics(registry)
    families = list(registry.collect())
    exported = {sample.name for family in families for sample in family.samples}
    exported |= {family.name for family in families if family.type == "gauge"}  # quotas have no samples before the first round
    used = {name for expression in expressions() for name in selected(expression)}
    assert len(used) > 30
    assert OF_NODES <= used
    assert used - {"up"} - OF_NODES - OF_BACKUPS <= exported


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum without (instance) (rate(a_total{b="c d"}[5m] offset 1h)) > 0.5 * d', {"a_total", "d"}),
        ("time() - e >= 1e3 unless avg_over_time(job:f:g[1d]) or h # i", {"e", "h"}),
        ("max without (a) (b) / on (c) group_left (d) f unless ignoring (g) h == bool 1", {"b", "f", "h"}),
    ],
)
def test_selected_finds_what_is_selected(expression: str, names: set[str]) -> None:
    """And nothing else, or the test above would hold by mistake."""
    assert selected(expression) == names


def test_every_recorded_series_is_used() -> None:
    """A recording rule is there for an alert."""
    text = "\n".join(expressions())
    recorded = re.findall(r"- record: (\S+)", rules())
    assert sorted(recorded) == sorted(set(re.findall(r"\b[a-z]+:\w+:\w+", text)))


def test_reasons_and_shares_are_those_of_the_service() -> None:
    """Constants that a rule repeats cannot be imported, so they are compared."""
    text = "\n".join(expressions())
    reasons = {reason for pattern in re.findall(r'reason=~?"([^"]+)"', text) for reason in pattern.split("|")}
    unknown = {Reason.UNKNOWN_METER, Reason.UNKNOWN_REGISTER}
    assert reasons == {Reason.DECODER_ERROR, Reason.UNSTORABLE, Reason.BREAKS_CONNECTION, Reason.TIME_IN_FUTURE, *unknown}
    outcomes = {outcome for pattern in re.findall(r'outcome=~?"([^"]+)"', text) for outcome in pattern.split("|")}
    assert outcomes == {"duplicate", "rejected", "unregistered"}
    assert outcomes <= {*OUTCOMES, *STATE_OUTCOMES}
    assert f"marks_waiting) > {2 * SettlementSettings().channel_hours}\n" in text
    quota = QuotaSettings()
    assert ">= 0.9\n" in text
    assert f">= {quota.warning_ratio} < 0.9\n" in text
    assert f"{quota.warning_ratio:.0%} are used already" in rules()


def test_every_alert_has_its_section_in_the_runbook() -> None:
    """The link in the alert leads to the heading of its name, and no section outlives its alert."""
    headings = re.findall(r"^## (Meterwarden\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(headings) == len(set(headings))
    assert set(headings) == {alert.name for alert in alerts()}
    for alert in alerts():
        assert alert.runbook_url == f"{RUNBOOK.relative_to(ROOT)}#{alert.name.lower()}"


@pytest.mark.parametrize(
    ("line", "stays"),
    [
        ("        for: 5m\n", False),
        ("        keep_firing_for: 1h30m\n", False),
        ("          for: 5 metres of cable\n", True),
        ("        # for: 5m\n", True),
        ("          time() - since_seconds > 120\n", True),
    ],
)
def test_without_waiting_drops_only_the_lines_that_wait(line: str, stays: bool) -> None:
    """Keys with a duration go, everything else stays as it is."""
    before, after = "      - alert: A\n        expr: up == 0\n", "        labels:\n          severity: info\n"
    assert without_waiting(before + line + after) == before + (line if stays else "") + after


def test_without_waiting_leaves_nothing_that_waits() -> None:
    """In the project's own rules; and what is left is unchanged."""
    waiting = re.findall(r"^ +(?:keep_firing_)?for:.*\n", rules(), re.MULTILINE)
    shortened = without_waiting(rules())
    assert len(waiting) > len(alerts())  # a `for` each, and some keep firing
    assert not re.search(r"^ *(keep_firing_)?for:", shortened, re.MULTILINE)
    assert len(shortened) == len(rules()) - sum(map(len, waiting))
