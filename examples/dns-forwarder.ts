// A tiny DNS forwarder: questions over UDP go to one server, and its answers to those who asked.
//
//   node build/examples/dns-forwarder.js SERVER [SERVER-PORT [LISTEN-PORT]]
//
// `dig @127.0.0.1 -p 5300 example.org`. Each question gets an id of its own, which nobody can
// guess, and an answer is taken for its own question alone. After two seconds it is SERVFAIL.

import { randomInt } from 'node:crypto';
import { type DatagramAddress, EventLoop, type Timer } from 'sockloop';

const [host = '127.0.0.1', port = '53', listenPort = '5300'] = process.argv.slice(2);
const ANSWER_MS = 2000;
const PENDING_MAX = 1000;
const HEADER_BYTES = 12;
const RESPONSE = 0x8000;
const SERVFAIL = 2;

interface Pending {
  readonly client: DatagramAddress;
  /** As it came, but for the id. */
  readonly question: Uint8Array;
  readonly clientId: number;
  readonly timer: Timer;
}

const pending = new Map<number, Pending>();
const loop = new EventLoop();
loop.attach();

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/** The header and the one question of a message, without what follows; null if it has none. */
function questionOf(message: Uint8Array): Uint8Array | null {
  if (message.length < HEADER_BYTES || viewOf(message).getUint16(4) !== 1) return null;
  let end = HEADER_BYTES;
  while (end < message.length && message[end] !== 0) end += (message[end] ?? 0) + 1;
  end += 5; // The end of the name, the type and the class.
  return end > message.length ? null : message.subarray(0, end);
}

function isResponse(message: Uint8Array): boolean {
  return (viewOf(message).getUint16(2) & RESPONSE) !== 0;
}

function fail(client: DatagramAddress, question: Uint8Array, id: number): void {
  const answer = question.slice();
  const view = viewOf(answer);
  view.setUint16(0, id);
  view.setUint16(2, view.getUint16(2) | RESPONSE | SERVFAIL);
  answer.fill(0, 6, HEADER_BYTES); // No answers, no further records.
  front.send(answer, { to: client });
}

function ask(message: Uint8Array, client: DatagramAddress): void {
  const question = questionOf(message);
  // What is no question gets no answer, or two forwarders could answer each other for ever.
  if (question === null || isResponse(message)) return;
  const view = viewOf(message);
  const clientId = view.getUint16(0);
  if (pending.size === PENDING_MAX) {
    fail(client, question, clientId);
    return;
  }
  let id = randomInt(2 ** 16);
  while (pending.has(id)) id = randomInt(2 ** 16);
  view.setUint16(0, id);
  const timer = loop.setTimer(ANSWER_MS, () => {
    pending.delete(id);
    fail(client, question, clientId);
  });
  pending.set(id, { client, question, clientId, timer });
  server.send(message); // One that is refused has its timer.
}

function answer(message: Uint8Array): void {
  const question = questionOf(message);
  if (question === null || !isResponse(message)) return;
  const view = viewOf(message);
  const id = view.getUint16(0);
  const asked = pending.get(id);
  if (asked === undefined) return;
  const [own, its] = [asked.question, question].map((one) => one.subarray(HEADER_BYTES));
  if (own === undefined || its === undefined || Buffer.compare(own, its) !== 0) return;
  asked.timer.cancel();
  pending.delete(id);
  view.setUint16(0, asked.clientId);
  front.send(message, { to: asked.client });
}

const front = loop.datagram({
  host: '127.0.0.1',
  port: Number(listenPort),
  handlers: {
    datagrams: (_, batch) => {
      for (let index = 0; index < batch.length; index += 1) {
        ask(batch.bytes(index), batch.from(index));
      }
    },
  },
});
// A connected socket hears its server alone.
const server = loop.datagram({
  connect: { host, port: Number(port) },
  handlers: {
    datagrams: (_, batch) => {
      for (let index = 0; index < batch.length; index += 1) answer(batch.bytes(index));
    },
  },
});
console.log(`listening on port ${front.address.port}`);

process.once('SIGINT', () => {
  for (const { timer } of pending.values()) timer.cancel();
  front.close();
  server.close();
});
