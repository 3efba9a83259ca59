// Sends datagrams from one socket to another and counts the collections of garbage meanwhile. Run
// with --max-semi-space-size=1, so that each stands for a megabyte that was allocated.

import { PerformanceObserver } from 'node:perf_hooks';
import { EventLoop } from 'sockloop';

const COUNT = Number(process.env['DATAGRAMS'] ?? 2_000_000);
const WARM_UP = 200_000;
const PER_TURN = 48;

let collections = 0;
const observer = new PerformanceObserver((list) => {
  collections += list.getEntries().length;
});
observer.observe({ entryTypes: ['gc'] });

const loop = new EventLoop();
const payload = new Uint8Array(64).fill(7);
let received = 0;
let bytes = 0;
let peers = 0;
const receiver = loop.datagram({
  host: '127.0.0.1',
  chunks: 'borrowed',
  receiveBufferBytes: 1 << 20,
  info: ['local', 'ttl'],
  handlers: {
    datagrams: (_, batch) => {
      for (let index = 0; index < batch.length; index++) {
        bytes += batch.bytes(index).length;
        peers += batch.from(index).sockaddr.length + batch.ttl(index);
        if (batch.local(index) !== null) peers += 1;
      }
      received += batch.length;
    },
  },
});
const sender = loop.datagram({ host: '127.0.0.1', handlers: {} });
const options = { to: receiver.address };

let sent = 0;
let before = { sent: 0, received: 0, collections: 0 };
const send = (): void => {
  for (let sends = 0; sends < PER_TURN; sends++) sender.send(payload, options);
  sent += PER_TURN;
  if (before.sent === 0 && sent >= WARM_UP) before = { sent, received, collections };
  if (sent < COUNT + WARM_UP) loop.defer(send);
  else loop.setTimer(50, () => loop.stop());
};
loop.defer(send);
await loop.run();
// The observer is called by Node's own loop.
await new Promise((resolve) => setTimeout(resolve, 50));
observer.disconnect();
process.stdout.write(
  JSON.stringify({
    sent: sent - before.sent,
    received: received - before.received,
    collections: collections - before.collections,
    read: bytes > 0 && peers > 0,
  }),
);
loop.close();
