"""A seeded fleet of public institutions that publishes over MQTT, and the ledger of what it truly consumed and sent.

    month.py        the simulated month: its full local hours
    city/           who there is, how it behaves, what it truly consumes in a year: a package of its own
    quotas.py       invented sample quotas and what the fleet makes of them
    meter.py        one meter: the truth in integer micro-units, and what its display shows of it
    charger.py      a charger and its charging sessions
    site.py         one institution in a month: its meters and chargers
    fleet.py        all institutions of a month, in the mix of a real city
    device.py       a register's device: interval, clock; all registers of an institution read at once
    mishaps.py      what may happen to a register as it is shown
    gateway.py      offline for hours, then the backlog in a burst; birth and will
    scenario.py     rates and outages from a TOML file; scenarios/ holds those shipped
    run.py          fleet and scenario -> who reads what, and what goes wrong with it
    messages.py     a message as it will be published, what must become of it, its readings
    written.py      readings as JSON, a day at a time
    stream.py       run -> messages, in order of simulated time
    faults.py       messages -> messages: lost, late, out of order, published again, wrong extras
    malformed.py    every kind of wrong message, with the reason intake should give
    session.py      one MQTT 5 connection, counted by PUBACK             (edge)
    publisher.py    messages -> broker, over several connections         (edge)
    progress.py     what the user sees meanwhile                         (edge)
    registry.py     fleet -> registry CSV files                          (edge)
    ledger.py       a SQLite file of truth, messages and expected flags; blobs.py: its hours and readings
    oracle.py       published readings -> which of them count
    proved.py       -> the hours and months they prove
    registerfaults.py  what truly happened to a register, and what must be found of it
    expected.py     one device of the ledger and what must be derived of it
    compare.py      ledger against rows found in the database
    differences.py standings.py checks.py   of a device; of the flags; of messages, as SQL
    reasons.py      why what is proved differs from the truth
    notes.py        what a comparison notes; report.py: in words
    verify.py       the database's reader views -> compare -> report     (edge)
    load.py         as many readings as a broker takes; window.py, frames.py: MQTT; raw.py: its connections (edge)
    series.py       rows of a CSV or Parquet file                        (edge)
    layout.py stamps.py samples.py   what stands where in it, its times, its amounts
    replay.py       samples -> registers -> messages
    elsewhere.py    registry CSV files of a load or a replayed file      (edge)
    plot.py         what pictures of a fleet show; pictures.py, labels.py: drawn (edge)
    cli.py          `meterwarden simulate registry | publish | verify`

Meets `ingest` only at `schemas`. Everything but the edges is a pure function of seed, size and month.
"""
