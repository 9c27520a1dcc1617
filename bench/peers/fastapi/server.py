"""What a team would otherwise write: FastAPI and aio-pika. Checks the signature over the raw bytes, publishes each event with
confirm to a quorum queue, and answers 200 when all are confirmed.

AMQP_URL, QUEUE and SECRET in the environment; `uvicorn server:app --workers 2 --port PORT`.
"""

import asyncio
import hashlib
import hmac
import json
import os
import time
from contextlib import asynccontextmanager

import aio_pika
from fastapi import FastAPI, Request, Response

QUEUE, SECRET = os.environ["QUEUE"], os.environ["SECRET"].encode()
channel = None


@asynccontextmanager
async def lifespan(_):
    global channel
    connection = await aio_pika.connect_robust(os.environ["AMQP_URL"])
    channel = await connection.channel(publisher_confirms=True)
    await channel.declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    yield
    await connection.close()


app = FastAPI(lifespan=lifespan)


def signed(body: bytes, header: str) -> bool:
    return hmac.compare_digest("sha256=" + hmac.new(SECRET, body, hashlib.sha256).hexdigest(), header)


async def published(event: dict) -> None:
    message = aio_pika.Message(
        json.dumps(event).encode(),
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        content_type="application/json",
        message_id=event.get("message", {}).get("mid"),
    )
    await channel.default_exchange.publish(message, QUEUE)  # ends with the broker's confirm


@app.post("/webhooks/meta")
async def take(request: Request) -> Response:
    body = await request.body()
    if not signed(body, request.headers.get("x-hub-signature-256", "")):
        return Response(status_code=403)
    try:
        payload = json.loads(body)
    except ValueError:
        return Response(status_code=400)
    events = [
        {"account": entry.get("id"), "received": time.time_ns() // 1_000_000, **item}
        for entry in payload.get("entry", [])
        for item in entry.get("messaging", [])
    ]
    try:
        await asyncio.gather(*map(published, events))
    except Exception:
        return Response(status_code=503)
    return Response(status_code=200)
