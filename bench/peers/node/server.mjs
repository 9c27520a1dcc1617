// What a team would otherwise write: Express and amqplib. Checks the signature over the raw bytes, publishes each event with
// confirm to a quorum queue, and answers 200 when all are confirmed. One process, one confirm channel.
//   PORT, AMQP_URL, QUEUE and SECRET in the environment.
import crypto from 'node:crypto';
import amqp from 'amqplib';
import express from 'express';

const { PORT, AMQP_URL, QUEUE, SECRET } = process.env;
const connection = await amqp.connect(AMQP_URL);
const channel = await connection.createConfirmChannel();
await channel.assertQueue(QUEUE, { durable: true, arguments: { 'x-queue-type': 'quorum' } });

const signed = (body, header) => {
  const expected = Buffer.from('sha256=' + crypto.createHmac('sha256', SECRET).update(body).digest('hex'));
  const given = Buffer.from(header ?? '');
  return given.length === expected.length && crypto.timingSafeEqual(given, expected);
};

const published = (event) =>
  new Promise((resolve, reject) => {
    const options = { persistent: true, contentType: 'application/json', messageId: event.message?.mid };
    const body = Buffer.from(JSON.stringify(event));
    channel.publish('', QUEUE, body, options, (error) => (error ? reject(error) : resolve()));
  });

const app = express();
app.disable('x-powered-by');
app.post('/webhooks/meta', express.raw({ type: '*/*', limit: '4mb' }), async (request, response) => {
  if (!signed(request.body, request.get('x-hub-signature-256'))) return response.status(403).end();
  let payload;
  try {
    payload = JSON.parse(request.body);
  } catch {
    return response.status(400).end();
  }
  const events = (payload.entry ?? []).flatMap((entry) =>
    (entry.messaging ?? []).map((item) => ({ account: entry.id, received: Date.now(), ...item })),
  );
  try {
    await Promise.all(events.map(published));
    response.status(200).end();
  } catch {
    response.status(503).end();
  }
});
app.listen(Number(PORT), '127.0.0.1');
