"""TimescaleDB: the only folder that knows SQL.

queries.py        sql/queries.sql, every query the service runs, by name
connection.py     how a connection is opened, and which errors are the world's
binary.py         rows in PostgreSQL's binary COPY format
writer.py         one batch of assessed messages -> one transaction -> outcomes
registry.py       the registry as intake keeps it in memory
registry_csv.py   registry files -> checked rows
registry_import.py  the difference of files and database, applied in one transaction
settlement.py     marks taken, states and readings read, derived rows written
levels.py         what levels are folded from, and where they are written
quarantine.py     open messages whose cause is gone
migrate.py        forward-only migrations; bootstrap.py: database, extension and roles
sql/              queries.sql and the numbered migrations
"""
