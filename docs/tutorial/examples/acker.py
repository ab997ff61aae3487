"""An acker in Python, with the standard library alone: MQTT 3.1.1 over a socket, an inbox in SQLite.

    python3 acker.py 127.0.0.1 1883 'sensors/#' inbox.db

Each message is processed once: the row and the proof that it was processed are committed together; the ack comes after the
commit, for duplicates too. It ends when the connection ends: something that starts it again (systemd, a loop) is the retry.
With paho-mqtt the same takes half the lines: docs/how-to/acker-without-our-code.md.
"""
import json
import socket
import sqlite3
import struct
import sys
import threading
import time

KEEPALIVE = 10
host, port, topic_filter, database = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
inbox = sqlite3.connect(database)
inbox.execute("create table if not exists inbox (message_id text primary key, topic text, content text)")


def text(value):
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def packet(kind, body):
    length, size = b"", len(body)
    while True:
        size, digit = divmod(size, 128)
        length += bytes([digit | (128 if size else 0)])
        if not size:
            return bytes([kind]) + length + body


connection = socket.create_connection((host, port), timeout=2 * KEEPALIVE)
stream = connection.makefile("rb")
writing = threading.Lock()


def send(kind, body=b""):
    with writing:
        connection.sendall(packet(kind, body))


def read():
    kind, length, shift = stream.read(1), 0, 0
    if not kind:
        raise SystemExit("the broker has ended the connection")
    while True:
        digit = stream.read(1)[0]
        length |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return kind[0], stream.read(length)


def ping():
    while True:
        time.sleep(KEEPALIVE / 2)
        send(0xC0)


def process(topic, payload):
    """Returns where to answer, or None."""
    try:
        envelope = json.loads(payload)
        message_id, content, ack_topic = envelope["message_id"], envelope["content"], envelope["ack_topic"]
    except (ValueError, KeyError, TypeError):
        return None  # not an envelope: no effect, no ack
    if not ack_topic.endswith("/" + message_id):
        return None  # nobody makes us publish to a topic of their choice
    with inbox:  # one transaction: put other effects in here, and do them only when rowcount is 1
        row = (message_id, topic, content)
        inbox.execute("insert into inbox values (?, ?, ?) on conflict do nothing", row)
    return ack_topic


send(0x10, text("MQTT") + bytes([4, 2]) + struct.pack("!H", KEEPALIVE) + text("python-acker"))
assert read()[1][1] == 0, "the broker refused the connection"
send(0x82, struct.pack("!H", 1) + text(topic_filter) + b"\x01")
threading.Thread(target=ping, daemon=True).start()
packet_id = 1
while True:
    kind, body = read()
    if kind >> 4 == 9:
        print("subscribed", flush=True)
    if kind >> 4 != 3:
        continue
    size = struct.unpack("!H", body[:2])[0]
    topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
    if kind & 6:  # QoS 1: a packet id, and its PUBACK
        send(0x40, rest[:2])
        rest = rest[2:]
    answer_on = process(topic, rest)
    if answer_on is not None:
        packet_id = packet_id % 65_535 + 1
        ack = json.dumps({"client_id": "python-acker"}).encode()
        send(0x32, text(answer_on) + struct.pack("!H", packet_id) + ack)
