"""How messages are received: the only folder that knows MQTT's packets.

session.py      a persistent session, made again for ever; acknowledges batches
connection.py   one connection: bytes -> lists of messages; keepalive
watch.py        what the broker says of itself, into /metrics
client.py       an aiomqtt client, for that and for quota states
"""
