"""A seeded fleet of public institutions that publishes over MQTT, and the ledger of what it truly consumed and sent.

    month.py        the simulated month: its full local hours
    profiles.py     how a total spreads over the hours, by class, weekday and hour
    quotas.py       invented sample quotas and what the fleet makes of them
    meter.py        one meter: the truth in integer micro-units, and what its display shows of it
    charger.py      charging by arrivals
    site.py         one institution: size, class, its meters
    fleet.py        all institutions, in the mix of a real city
    messages.py     a message as it will be published, and the readings in it
    stream.py       fleet -> messages, hour by hour
    faults.py       messages -> messages: late, published again, malformed extras
    malformed.py    every kind of malformed message, with the reason intake should give
    session.py      one MQTT 5 connection, counted by PUBACK             (edge)
    publisher.py    messages -> broker, over several connections         (edge)
    progress.py     what the user sees meanwhile                         (edge)
    registry.py     fleet -> registry CSV files                          (edge)
    ledger.py       the oracle: a SQLite file of truth, messages and expected flags
    checks.py       the comparison as SQL over the ledger
    compare.py      ledger against rows found in the database
    report.py       the comparison in words
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
