"""An example of every command, shown with its help; the empty name is the program itself. A test has the parser accept each."""

from typing import Final

METER: Final = "SCHOOL-1/electricity/E1"
REGISTER: Final = f"{METER}/energy_import_kwh"
AT: Final = "2026-10-01T08:00:00+08:00"

EXAMPLES: Final[dict[str, tuple[str, ...]]] = {
    "": ("check", "registry import examples/one-school", "run", "findings list --institution SCHOOL-1"),
    "run": ("run", "run --log-level DEBUG"),
    "check": ("check", "check --json"),
    "config show": ("config show --changed",),
    "completion": ("completion bash",),
    "drain": ("drain", "drain --last"),
    "migrate": ("migrate --url postgresql://meterwarden_owner@db/meterwarden --check",),
    "storage": ("storage --url postgresql://meterwarden_owner@db/meterwarden --dry-run",),
    "bootstrap": ("bootstrap --superuser-url postgresql://postgres@db/postgres --passwords /etc/meterwarden/passwords",),
    "registry import": ("registry import examples/one-school --dry-run", "registry import examples/one-school"),
    "gateway add": (
        "gateway add SCHOOL-1 --password-file passwords",
        "gateway add SCHOOL-1 G1 --password-file passwords --acl-file acl",
    ),
    "gateway list": ("gateway list --password-file passwords",),
    "gateway rotate": ("gateway rotate SCHOOL-1 G1 --password-file passwords",),
    "gateway remove": ("gateway remove SCHOOL-1 G1 --password-file passwords --acl-file acl",),
    "findings list": ("findings list --institution SCHOOL-1 --most 20", "findings list --state closed --json"),
    "findings show": ("findings show 4f2a",),
    "findings acknowledge": ("findings acknowledge 4f2a --author li --reason 'plumber is called'",),
    "findings close": ("findings close 4f2a --author li --reason 'valve replaced'",),
    "findings reopen": ("findings reopen 4f2a --author li --reason 'drips again'",),
    "quota list": ("quota list --level exceeded", "quota list --institution SCHOOL-1 --all --json"),
    "quarantine list": (f"quarantine list --meter {METER} --since 2026-10-01", "quarantine list --state all --json"),
    "quarantine show": ("quarantine show 17",),
    "quarantine replay": ("quarantine replay --reason unknown_meter", "quarantine replay 17 18"),
    "quarantine purge": ("quarantine purge --state resolved --until 2026-01-01 --because 'kept long enough'",),
    "quarantine export": ("quarantine export rejected.jsonl --institution SCHOOL-1",),
    "edit list": (f"edit list {METER}",),
    "edit set": (f"edit set {REGISTER} {AT} 1234.5 --because 'read from the display'",),
    "edit drop": (f"edit drop {REGISTER} {AT} --because 'test of the meter'",),
    "exchange list": ("exchange list SCHOOL-1 --history",),
    "exchange declare": (f"exchange declare {METER} {AT} --old-final 98765.4 --new-initial 0 --because 'meter changed'",),
    "exchange withdraw": (f"exchange withdraw {METER} {AT} --because 'wrong meter'",),
    "rebuild": ("rebuild",),
    "demo": ("demo", "demo --keep --institutions 100"),
    "stack up": ("stack up",),
    "stack down": ("stack down",),
    "stack env": ("stack env",),
    "simulate registry": ("simulate registry fleet --institutions 10",),
    "simulate publish": ("simulate publish --institutions 10 --ledger ledger.sqlite --scenario messy",),
    "simulate exchanges": ("simulate exchanges fleet --ledger ledger.sqlite",),
    "simulate truth": ("simulate truth --out year.sqlite --institutions 10",),
    "simulate verify": ("simulate verify --ledger ledger.sqlite --database-url postgresql://meterwarden_reader@db/meterwarden",),
    "simulate load": ("simulate load --registry load-registry --meters 1000", "simulate load --messages 100000 --meters 1000"),
    "simulate replay": ("simulate replay series.csv --timezone Asia/Shanghai --shift-to-now",),
    "simulate plot": ("simulate plot pictures --institutions 10",),
    "replay": ("replay series.csv --timezone Asia/Shanghai --registry replayed", "replay series.csv --shift-to-now"),
    "verify": ("verify --ledger ledger.sqlite --database-url postgresql://meterwarden_reader@db/meterwarden",),
}
