// Takes Afterglow's webhooks: verifies them, takes each once, and keeps the newest record of every viewer.
//
//     WEBHOOK_SECRETS='whsec_…' node examples/consumer.ts --port 8080 --state consumer.jsonl
//
// Needs nothing but Node 22.18 or newer, which runs TypeScript by leaving the types out. Prints a line of JSON for each
// delivery. In production put it behind something that speaks TLS, and do what is slow after the answer: the sender
// waits 20 seconds.
//
// The webhooks follow Standard Webhooks 1.0 (https://www.standardwebhooks.com); the body is a CloudEvent 1.0. While a
// secret is replaced, every delivery carries a signature by each of the two; here, too, several may be set, separated by
// spaces.
import { createHmac, timingSafeEqual } from "node:crypto";
import { appendFileSync, closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { parseArgs } from "node:util";

interface FeedEvent {
  id: string;
  type: string;
  /** The viewer; of a week its last day. */
  subject?: string;
  time: string;
  brand: string;
  /** Whose viewer; none if it tells of no viewer, but of the brand's week. */
  account?: string;
  /** Counts up within a brand; padded with zeros, so that it sorts as text. A test event is in no feed and has none. */
  sequence?: string;
  data: Record<string, unknown> | null;
}

/** An older delivery may be one that somebody recorded and sends again. */
const TOLERANCE_SECONDS = 5 * 60;
const MAX_BODY = 1 << 20;

function keys(secrets: string): Buffer[] {
  const found = secrets.split(" ").filter((secret) => secret !== "");
  if (found.length === 0 || found.some((secret) => !secret.startsWith("whsec_"))) {
    console.error("set WEBHOOK_SECRETS; a secret begins with whsec_");
    process.exit(2);
  }
  return found.map((secret) => Buffer.from(secret.slice("whsec_".length), "base64"));
}

function header(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return typeof value === "string" ? value : "";
}

/** Whether the bytes, as they came, were signed by one of our keys a short time ago. */
function verified(headers: IncomingHttpHeaders, body: Buffer, signingKeys: Buffer[], nowSeconds: number): boolean {
  const id = header(headers, "webhook-id");
  const timestamp = header(headers, "webhook-timestamp");
  if (id === "" || !/^[0-9]{1,12}$/.test(timestamp)) return false;
  if (Math.abs(nowSeconds - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const given = header(headers, "webhook-signature")
    .split(" ")
    .filter((part) => part.startsWith("v1,"))
    .map((part) => Buffer.from(part.slice("v1,".length), "base64"));
  return signingKeys.some((key) => {
    const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
    return given.some((signature) => signature.length === expected.length && timingSafeEqual(signature, expected));
  });
}

function parsed(line: string): FeedEvent | undefined {
  try {
    return JSON.parse(line) as FeedEvent;
  } catch {
    return undefined;
  }
}

/** What was seen, how far we are, and the viewers: a file to which each event is added, read again at the start. */
class Store {
  readonly #path: string;
  #file: number;
  readonly #seen = new Set<string>();
  readonly #cursors = new Map<string, bigint>();
  readonly #viewers = new Map<string, { sequence: bigint; record: FeedEvent["data"] }>();

  constructor(path: string) {
    const before = existsSync(path) ? readFileSync(path, "utf8") : "";
    // A line without its end was being written when the power went; its delivery was not answered and comes again.
    for (const line of before.split("\n").slice(0, -1)) {
      const event = parsed(line);
      if (event !== undefined) this.#apply(event);
    }
    this.#path = path;
    this.#file = openSync(path, "a");
    if (before !== "" && !before.endsWith("\n")) appendFileSync(this.#file, "\n");
  }

  /** Takes an event; false if it was taken before. */
  take(event: FeedEvent): boolean {
    if (this.#seen.has(event.id)) return false;
    appendFileSync(this.#file, `${JSON.stringify(event)}\n`);
    fsyncSync(this.#file);
    this.#apply(event);
    if (event.type === "app.afterglow.viewer.forgotten") this.#erase(event);
    return true;
  }

  /** Of a viewer who asked to be forgotten only the places in the feed stay, so that nothing late brings them back. */
  #erase({ account, subject }: FeedEvent): void {
    const lines = readFileSync(this.#path, "utf8").split("\n").map((line) => {
      const event = parsed(line);
      if (event === undefined) return ""; // torn: it may hold anything
      return event.account === account && event.subject === subject ? JSON.stringify({ ...event, data: null }) : line;
    });
    const next = openSync(`${this.#path}.next`, "w");
    appendFileSync(next, lines.join("\n"));
    fsyncSync(next);
    closeSync(next);
    renameSync(`${this.#path}.next`, this.#path);
    closeSync(this.#file);
    this.#file = openSync(this.#path, "a");
  }

  /** The highest seen. Other viewers' changes do not wait for one that failed, so below it some may be missing. */
  cursor(brand: string): number {
    return Number(this.#cursors.get(brand) ?? 0n);
  }

  #apply(event: FeedEvent): void {
    const sequence = BigInt(event.sequence ?? 0);
    this.#seen.add(event.id);
    if (sequence > (this.#cursors.get(event.brand) ?? 0n)) this.#cursors.set(event.brand, sequence);
    if (event.account === undefined) return;
    // Records are whole, so the newest is enough: an older one that comes late changes nothing.
    const viewer = `${event.account}/${event.subject}`;
    if (sequence > (this.#viewers.get(viewer)?.sequence ?? 0n)) {
      this.#viewers.set(viewer, { sequence, record: event.data });
    }
  }
}

async function read(request: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_BODY) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const { values } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8080" },
    state: { type: "string", default: "consumer.jsonl" },
  },
});
const signingKeys = keys(process.env.WEBHOOK_SECRETS ?? "");
const store = new Store(values.state);

async function answer(request: IncomingMessage): Promise<number> {
  if (request.method !== "POST") return 405;
  const body = await read(request);
  if (body === undefined) return 413;
  if (!verified(request.headers, body, signingKeys, Math.floor(Date.now() / 1000))) return 401;
  const event = JSON.parse(body.toString("utf8")) as FeedEvent;
  const fresh = store.take(event);
  const viewer = event.account === undefined ? null : event.subject;
  console.log(JSON.stringify({ type: event.type, viewer, fresh, cursor: store.cursor(event.brand) }));
  return 204; // only now: what was answered 2xx is not sent again
}

const server = createServer((request, response) => {
  answer(request).then(
    (status) => response.writeHead(status).end(),
    () => response.writeHead(500).end(),
  );
});
server.requestTimeout = 10_000;
server.listen(Number(values.port), values.host, () => {
  console.log(JSON.stringify({ listening: (server.address() as AddressInfo).port }));
});
