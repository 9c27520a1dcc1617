#!/usr/bin/env python3
"""Takes Afterglow's webhooks: verifies them, takes each once, and keeps the newest record of every viewer.

    WEBHOOK_SECRETS='whsec_…' examples/consumer.py --port 8080 --state consumer.db

Needs nothing but Python 3.8. Prints a line of JSON for each delivery. In production put it behind something that speaks
TLS, and do what is slow after the answer: the sender waits 20 seconds.

The webhooks follow Standard Webhooks 1.0 (https://www.standardwebhooks.com); the body is a CloudEvent 1.0. While a
secret is replaced, every delivery carries a signature by each of the two; here, too, several may be set, separated by
spaces.
"""
import argparse
import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

TOLERANCE_SECONDS = 5 * 60  # an older delivery may be one that somebody recorded and sends again
SEEN_SECONDS = 30 * 24 * 3600  # longer than a delivery is tried, and than TOLERANCE_SECONDS
MAX_BODY = 1 << 20


def keys(secrets):
    found = []
    for secret in secrets.split():
        if not secret.startswith("whsec_"):
            sys.exit("a secret begins with whsec_")
        found.append(base64.b64decode(secret[len("whsec_"):], validate=True))
    return found or sys.exit("set WEBHOOK_SECRETS")


def verified(headers, body, signing_keys, now):
    """Whether the bytes, as they came, were signed by one of our keys a short time ago."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not message_id or not timestamp.isascii() or not timestamp.isdigit():
        return False
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = message_id.encode("latin-1") + b"." + timestamp.encode() + b"." + body
    given = [part[3:] for part in headers.get("webhook-signature", "").split(" ") if part.startswith("v1,")]
    good = False
    for key in signing_keys:
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
        for signature in given:
            good |= hmac.compare_digest(expected, signature.encode("latin-1"))
    return good


class Store:
    """What was seen, how far we are, and the viewers; all of a delivery is written, or nothing."""

    def __init__(self, path):
        self.db = sqlite3.connect(path)
        self.db.execute("PRAGMA secure_delete = ON")  # what is forgotten is overwritten, not only unlinked
        self.db.executescript(
            """
            CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, at INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS cursors (brand TEXT PRIMARY KEY, sequence INTEGER NOT NULL);
            CREATE TABLE IF NOT EXISTS viewers (
                account TEXT, viewer TEXT, sequence INTEGER NOT NULL, record TEXT, PRIMARY KEY (account, viewer)
            );
            """
        )

    def take(self, event, now):
        """Takes an event; False if it was taken before."""
        sequence = int(event.get("sequence", 0))  # a test event is in no feed
        with self.db:
            if not self.db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (event["id"], now)).rowcount:
                return False
            self.db.execute("DELETE FROM seen WHERE at < ?", (now - SEEN_SECONDS,))
            if "account" in event:  # else it tells of no viewer, but of the brand's week
                self.keep(event, sequence)
            # The highest seen. Other viewers' changes do not wait for one that failed, so below it some may be missing.
            self.db.execute(
                "INSERT INTO cursors VALUES (?, ?) ON CONFLICT (brand) DO UPDATE"
                " SET sequence = max(sequence, excluded.sequence)",
                (event["brand"], sequence),
            )
        return True

    def keep(self, event, sequence):
        # Records are whole, so the newest is enough: an older one that comes late changes nothing. Of a viewer who
        # asked to be forgotten only the place in the feed stays, so that a late record does not bring them back.
        record = None if event["type"].endswith(".forgotten") else json.dumps(event["data"])
        self.db.execute(
            "INSERT INTO viewers VALUES (?, ?, ?, ?) ON CONFLICT (account, viewer) DO UPDATE"
            " SET sequence = excluded.sequence, record = excluded.record WHERE excluded.sequence > sequence",
            (event["account"], event["subject"], sequence, record),
        )

    def cursor(self, brand):
        return self.db.execute("SELECT sequence FROM cursors WHERE brand = ?", (brand,)).fetchone()[0]


def handler(store, signing_keys):
    class Handler(BaseHTTPRequestHandler):
        timeout = 10  # seconds for a sender that does not go on

        def do_POST(self):
            length = self.headers.get("content-length", "")
            if not length.isdigit() or int(length) > MAX_BODY:
                return self.answer(413)
            body = self.rfile.read(int(length))
            now = int(time.time())
            if not verified(self.headers, body, signing_keys, now):
                return self.answer(401)
            event = json.loads(body)
            fresh = store.take(event, now)
            print(
                json.dumps(
                    {
                        "type": event["type"],
                        "viewer": event["subject"] if "account" in event else None,
                        "fresh": fresh,
                        "cursor": store.cursor(event["brand"]),
                    }
                ),
                flush=True,
            )
            self.answer(204)  # only now: what was answered 2xx is not sent again

        def answer(self, status):
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    return Handler


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    options.add_argument("--state", default="consumer.db")
    given = options.parse_args()
    signing_keys = keys(os.environ.get("WEBHOOK_SECRETS", ""))
    server = HTTPServer((given.host, given.port), handler(Store(given.state), signing_keys))
    print(json.dumps({"listening": server.server_port}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
