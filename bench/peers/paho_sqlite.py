"""The script that many would write: paho, json, sqlite3, a commit a message. Run by peers.py, with a port and a file.

paho acknowledges when the callback returns, so after the commit.
"""

import json
import sqlite3
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def main(port: int, path: str) -> None:
    """Receive for ever."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = FULL")

    def on_connect(client: mqtt.Client, _userdata: object, _flags: object, _code: object, _said: object) -> None:
        client.subscribe("ueip/v1/#", qos=1)

    def on_subscribe(*_told: object) -> None:
        print("ready", flush=True)

    def on_message(_client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        report = json.loads(message.payload)
        if report.get("ueip") is not True:
            return
        report.pop("sms", None)
        row = (report["message_id"], message.topic, json.dumps(report))
        connection.execute("INSERT OR IGNORE INTO record (message_id, topic, body) VALUES (?, ?, ?)", row)
        connection.commit()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="peer", protocol=mqtt.MQTTv5)
    client.on_connect, client.on_message = on_connect, on_message
    client.on_subscribe = on_subscribe
    asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    asked.SessionExpiryInterval, asked.ReceiveMaximum = 3600, 2000
    client.connect("127.0.0.1", port, clean_start=False, properties=asked)
    client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
