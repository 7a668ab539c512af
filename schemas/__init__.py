"""The wire contract: what travels over MQTT, as pydantic models and as published JSON Schema.

    registers.py   every register a payload may name, with its unit and kind
    reading.py     electricity, water and charger readings; batches; gateway batches
    charger.py     charging session, connector status
    gateway.py     birth and will of a gateway
    quota.py       the quota state Meterwarden publishes itself
    topics.py      topic names and filters
    publish.py     writes the `*.schema.json` files (`python -m schemas.publish`)
    fields.py      their fields in words, for the reference
    examples/      one folder a payload and version, valid and invalid cases; the tests walk them

A published version is never changed, only followed by the next. `ingest` and `simulators` meet here and nowhere else.
"""
