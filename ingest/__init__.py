"""Meterwarden: MQTT meter readings into TimescaleDB, none lost, none doubled; consumption; institutions over quota.

The map, with a file on each step. `service.py` says both lines in a handful of statements.

intake      PUBLISH -> messages    broker/connection.py   bytes from the socket, lists of messages
            -> batch               batching.py            full, or old enough
            -> assessed            intake.py              decode (formats/), identify (identity.py, registry.py), validate
            -> one transaction     persist.py, storage/writer.py   whatever it takes: the message's fault or the world's
            -> PUBACK              broker/session.py      what was committed, in the order received

settlement  marks -> readings      storage/settlement.py  which channel-hours changed, and what was read there
            -> steps               metering/steps.py      which readings count: a fold in order of read_at
            -> consumption         metering/bookings.py   hours and days with exact sums, quality per period
            -> rollups             storage/sql/queries.sql  institution days; months and years are views over days
            -> indicators, levels  verdicts.py, metering/quotas.py, metering/levels.py   which quota, and how it stands
            -> findings            findings.py, metering/vee/   what somebody should look at of the days that are closed
            -> flags               settler.py, shown.py, announcer.py, metrics.py, standings.py   /metrics, quota topics

Beside them: `settings.py` (every setting), `cli.py` and `commands/` (the command, one file a group), `demo/` (all of it on real
servers), `stack/` (those servers), `web/` (health), `alerts/` (rules, changed together with `metrics.py`), `warden.py` (the
quarantine's replay and caps), `garbage.py` (Python's collector), `storage/` (the only folder that knows the tables), `dashboards/`
(Grafana's boards, on metrics and public views), `checks/` (what must hold before a start), `words.py` and `chinese/` (what people
read, in both languages).
"""
