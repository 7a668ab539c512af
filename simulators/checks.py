"""The comparison as SQL over the ledger: tables for what was found, views of what differs and of the largest differences.

Everything is temporary, beside a ledger that is only read.
"""

from typing import Final

FOUND: Final = """
CREATE TEMP TABLE found_reading(
    institution TEXT, medium TEXT, meter TEXT, register TEXT, read_at_us INTEGER, value_milli INTEGER, disputed INTEGER,
    PRIMARY KEY(institution, medium, meter, register, read_at_us)
) WITHOUT ROWID;
CREATE TEMP TABLE found_hour(
    institution TEXT, medium TEXT, meter TEXT, register TEXT, hour_us INTEGER, amount_micro INTEGER,
    PRIMARY KEY(institution, medium, meter, register, hour_us)
) WITHOUT ROWID;
CREATE TEMP TABLE found_month(
    institution TEXT, medium TEXT, meter TEXT, register TEXT, month TEXT, amount_micro INTEGER,
    PRIMARY KEY(institution, medium, meter, register, month)
) WITHOUT ROWID;
CREATE TEMP TABLE found_quarantine(key BLOB PRIMARY KEY, reason TEXT) WITHOUT ROWID;
CREATE TEMP TABLE found_flag(
    institution TEXT, indicator TEXT, period_kind TEXT, period_start TEXT,
    PRIMARY KEY(institution, indicator, period_kind, period_start)
) WITHOUT ROWID;
"""
"""The same types as in the ledger: without them SQLite uses no index for the joins."""

INSERT: Final = {
    "found_reading": "INSERT OR IGNORE INTO found_reading VALUES (?,?,?,?,?,?,?)",
    "found_hour": "INSERT OR IGNORE INTO found_hour VALUES (?,?,?,?,?,?)",
    "found_month": "INSERT OR IGNORE INTO found_month VALUES (?,?,?,?,?,?)",
    "found_quarantine": "INSERT OR IGNORE INTO found_quarantine VALUES (?,?)",
    "found_flag": "INSERT OR IGNORE INTO found_flag VALUES (?,?,?,?)",
}
"""Columns in the order of `FOUND`; `disputed` is 0 or 1, `found_flag` holds those exceeded."""

VIEWS: Final = """
CREATE TEMP VIEW month_pair AS
    SELECT institution, medium, meter, register, month, quantum_micro, truth.amount_micro AS true_micro,
           found.amount_micro AS found_micro, abs(found.amount_micro - truth.amount_micro) AS difference_micro
    FROM truth_month AS truth LEFT JOIN found_month AS found USING (institution, medium, meter, register, month);

CREATE TEMP VIEW hour_pair AS
    SELECT institution, medium, meter, register, hour_us, quantum_micro, truth.amount_micro AS true_micro,
           found.amount_micro AS found_micro, abs(found.amount_micro - truth.amount_micro) AS difference_micro
    FROM truth_month JOIN truth_hour AS truth USING (institution, medium, meter, register)
    LEFT JOIN found_hour AS found USING (institution, medium, meter, register, hour_us);

CREATE TEMP VIEW largest AS
    SELECT 'month' AS period, iif(register LIKE '%m3', 'm3', 'kWh') AS unit, count(*) AS periods,
           max(difference_micro) / 1e6 AS amount, max(difference_micro * 1.0 / quantum_micro) AS steps
    FROM month_pair WHERE found_micro IS NOT NULL GROUP BY unit
    UNION ALL
    SELECT 'hour', iif(register LIKE '%m3', 'm3', 'kWh') AS unit, count(*),
           max(difference_micro) / 1e6, max(difference_micro * 1.0 / quantum_micro)
    FROM hour_pair WHERE found_micro IS NOT NULL GROUP BY unit;

CREATE TEMP VIEW message_finding AS
    SELECT 'rejected messages missing from quarantine' AS name, reason || ' ' || topic AS example
    FROM message WHERE outcome = 'rejected' AND key NOT IN (SELECT key FROM found_quarantine)
    UNION ALL
    SELECT 'messages in quarantine that should not be there',
           found.reason || ' ' || coalesce(topic, 'key ' || lower(substr(hex(key), 1, 16)) || '…')
    FROM found_quarantine AS found LEFT JOIN message USING (key) WHERE outcome IS NOT 'rejected'
    UNION ALL
    SELECT 'messages in quarantine for another reason', found.reason || ' instead of ' || sent.reason || ' ' || topic
    FROM message AS sent JOIN found_quarantine AS found USING (key)
    WHERE outcome = 'rejected' AND found.reason IS NOT sent.reason;

CREATE TEMP VIEW reading_finding AS
    SELECT 'readings missing' AS name, institution, medium, meter, register, read_at_us, '' AS remark
    FROM reading LEFT JOIN found_reading AS found USING (institution, medium, meter, register, read_at_us)
    WHERE found.value_milli IS NULL
    UNION ALL
    SELECT 'readings never sent', institution, medium, meter, register, read_at_us, ''
    FROM found_reading LEFT JOIN reading AS sent USING (institution, medium, meter, register, read_at_us)
    WHERE sent.value_milli IS NULL
    UNION ALL
    SELECT 'readings with another value', institution, medium, meter, register, read_at_us,
           ': ' || (found.value_milli / 1e3) || ' instead of ' || (sent.value_milli / 1e3)
    FROM reading AS sent JOIN found_reading AS found USING (institution, medium, meter, register, read_at_us)
    WHERE found.value_milli <> sent.value_milli
    UNION ALL
    SELECT 'readings disputed', institution, medium, meter, register, read_at_us, ''
    FROM found_reading WHERE disputed;

CREATE TEMP VIEW consumption_finding AS
    SELECT 'meter-months without consumption' AS name, institution, medium, meter, month AS period, '' AS remark
    FROM month_pair WHERE found_micro IS NULL
    UNION ALL
    SELECT 'meter-months off by more than a display step', institution, medium, meter, month,
           ': ' || (found_micro / 1e6) || ' instead of ' || (true_micro / 1e6)
    FROM month_pair WHERE difference_micro > quantum_micro
    UNION ALL
    SELECT 'meter-months with consumption nobody used', institution, medium, meter, month,
           ': ' || (found.amount_micro / 1e6)
    FROM found_month AS found LEFT JOIN truth_month AS truth USING (institution, medium, meter, register, month)
    WHERE truth.amount_micro IS NULL AND found.amount_micro <> 0
    UNION ALL
    SELECT 'meter-hours without consumption', institution, medium, meter, hour_us, '' FROM hour_pair
    WHERE found_micro IS NULL
    UNION ALL
    SELECT 'meter-hours off by more than a display step', institution, medium, meter, hour_us,
           ': ' || (found_micro / 1e6) || ' instead of ' || (true_micro / 1e6)
    FROM hour_pair WHERE difference_micro > quantum_micro
    UNION ALL
    SELECT 'meter-hours with consumption nobody used', institution, medium, meter, hour_us,
           ': ' || (found.amount_micro / 1e6)
    FROM found_hour AS found LEFT JOIN truth_hour AS truth USING (institution, medium, meter, register, hour_us)
    WHERE truth.amount_micro IS NULL AND found.amount_micro <> 0;

CREATE TEMP VIEW flag_finding AS
    SELECT 'flags not raised' AS name, institution, indicator, period_kind, period_start
    FROM (SELECT institution, indicator, period_kind, period_start FROM expected_flag WHERE exceeded
          EXCEPT SELECT institution, indicator, period_kind, period_start FROM found_flag)
    UNION ALL
    SELECT 'flags raised without cause', institution, indicator, period_kind, period_start
    FROM (SELECT institution, indicator, period_kind, period_start FROM found_flag
          EXCEPT SELECT institution, indicator, period_kind, period_start FROM expected_flag WHERE exceeded);

CREATE TEMP VIEW finding AS
    SELECT name, example FROM message_finding
    UNION ALL
    SELECT name, institution || ' ' || medium || ' ' || meter || ' ' || register || ' '
           || strftime('%Y-%m-%dT%H:%MZ', read_at_us / 1000000, 'unixepoch') || remark
    FROM reading_finding
    UNION ALL
    SELECT name, institution || ' ' || medium || ' ' || meter || ' ' || iif(typeof(period) = 'text', period,
           strftime('%Y-%m-%dT%H:%MZ', period / 1000000, 'unixepoch')) || remark
    FROM consumption_finding
    UNION ALL
    SELECT name, institution || ' ' || indicator || ' ' || period_kind || ' ' || period_start FROM flag_finding;
"""
"""`finding` has a row for everything that disagrees, `largest` one for every kind of period and unit."""

COUNTS: Final = """
SELECT (SELECT count(*) FROM message WHERE outcome = 'stored'),
       (SELECT count(*) FROM message WHERE outcome = 'rejected'),
       (SELECT coalesce(sum(published - 1), 0) FROM message),
       (SELECT count(*) FROM found_quarantine),
       (SELECT count(*) FROM reading),
       (SELECT count(*) FROM found_reading)
"""
EXPECTED_FLAGS: Final = """
SELECT institution || ' ' || indicator || ' ' || period_kind || ' ' || period_start FROM expected_flag WHERE exceeded
"""
RAISED_FLAGS: Final = """
SELECT institution || ' ' || indicator || ' ' || period_kind || ' ' || period_start FROM found_flag
"""
