"""TimescaleDB: the only folder that knows SQL.

queries.py          every query the service runs, by name, from the files in sql/
connection.py       how a connection is opened, and which errors are the world's
binary.py           rows in PostgreSQL's binary COPY format, and arrays
writer.py           one batch of assessed messages -> one transaction -> outcomes
readings.py         readings into the hypertable, at once or after a look for those that are there
marking.py          which channel-hours a batch changes
outcomes.py         what became of each message, once the database has answered
quarantine/         rejected messages: found, replayed, purged, kept within their caps
registry.py         the registry as intake keeps it in memory
registry_fields.py  what may stand in one field
registry_lines.py   one line of each registry file, checked by itself
registry_checks.py  registry lines, wherever they were read, that agree with each other
registry_csv.py     registry files -> checked lines
registry_xlsx.py    a workbook with a sheet for each file -> checked lines
registry_columns.py what each column means, in a sentence
registry_template.py  an empty workbook to fill in
xlsx.py             workbooks opened without trust, each cell as the text that somebody meant
registry_tree.py    registry lines as trees of meters: what does not fit
registry_tables.py  the tables behind the files: how one is read, how a line is written
registry_import.py  the difference of files and database, applied in one transaction
sums.py             what is summed of every institution's meters, in step with the registry
settlement.py       marks taken, states and readings read, derived rows written
levels.py           what levels are folded from, and where they are written
standings.py        how every institution stands now, as it is published
vee.py              what validation reads and writes: days due, digests, signals, findings
findings.py         findings in an operator's hands
overdue.py          what `meterwarden storage` should have done
rebuild.py          everything derived forgotten, to be derived again
migrate.py          forward-only migrations
bootstrap.py        database, extension, roles
views.py            the public views as the database has them, kept for the reference; meanings.py: what it does not say itself
sql/                queries.sql, vee.sql and the numbered migrations
"""
