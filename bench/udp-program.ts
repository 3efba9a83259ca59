import { createInterface } from 'node:readline';
import { type DatagramBatch, type DatagramSocket, EventLoop, type LoopName } from 'sockloop';

// A sender and a receiver of datagrams on sockloop, to stand beside peers/udp.c: same words, same
// bursts.
//
//   node build/bench/udp-program.js LOOP recv MODE SIZE
//   node build/bench/udp-program.js LOOP send MODE SIZE PORT CONTROL
//
// `one` sends by `send`, `batch` by `sendMany`, both without segments; `gso` by `segmentSize`, and
// receives by GRO. Chunks are borrowed.

const QUEUE_BYTES = 212_992;

const [loopName = 'auto', role, mode = 'one', size = '64', port, control] = process.argv.slice(2);
const host = '127.0.0.1';

/** So many the queue of the receiver holds; joined they take less of it. */
const BURST = mode === 'gso' ? Math.min(1024, Math.floor(200_000 / Number(size))) : 64;

const queues = { receiveBufferBytes: QUEUE_BYTES, sendBufferBytes: QUEUE_BYTES };
const settings = { ...queues, host, port: 0, chunks: 'borrowed', gso: mode === 'gso' } as const;

/** A whole number of 32 bits, which is sent at once. */
const word = new Int32Array(1);
const wordBytes = new Uint8Array(word.buffer);

function wordOf(bytes: Uint8Array): number {
  wordBytes.set(bytes);
  return word[0] ?? 0;
}

function bytesOf(value: number): Uint8Array {
  word[0] = value;
  return wordBytes;
}

/** How many datagrams there are in a batch: GRO joins those of one size. */
function datagramsIn(batch: DatagramBatch): number {
  if (mode !== 'gso') return batch.length;
  let count = 0;
  for (let index = 0; index < batch.length; index++) {
    const segmentBytes = batch.segmentSize(index);
    count += segmentBytes === 0 ? 1 : Math.ceil(batch.byteLength(index) / segmentBytes);
  }
  return count;
}

function echo(socket: DatagramSocket, batch: DatagramBatch): void {
  for (let index = 0; index < batch.length; index++) {
    socket.send(batch.bytes(index), { to: batch.from(index) });
  }
}

function receive(loop: EventLoop): void {
  let total = 0;
  let expected = 0;
  let teller: Parameters<DatagramSocket['send']>[1];
  const data = loop.datagram({
    ...settings,
    gro: mode === 'gso',
    handlers: {
      datagrams: (socket, batch) => {
        if (mode === 'echo') {
          echo(socket, batch);
          return;
        }
        total += datagramsIn(batch);
        if (total < expected) return;
        socket.pause();
        commands.send(bytesOf(total), teller);
      },
    },
  });
  const commands = loop.datagram({
    ...settings,
    handlers: {
      datagrams: (_, batch) => {
        expected += wordOf(batch.bytes(0));
        teller = { to: batch.from(0) };
        data.resume();
      },
    },
  });
  if (mode !== 'echo') data.pause();
  const ports = [data, commands].map(({ address }) => ('port' in address ? address.port : 0));
  process.stdout.write(`listening ${ports.join(' ')}\n`);
}

function send(loop: EventLoop): void {
  const bytes = new Uint8Array(Number(size));
  const joined = new Uint8Array(bytes.length * BURST);
  const segmented = { segmentSize: bytes.length };
  const bursts = Array.from({ length: BURST + 1 }, (_, count) => Array(count).fill(bytes));
  let left = 0;
  let wanted = 0;
  let received = 0;
  let before = 0;
  const sendBurst = (): void => {
    const burst = Math.min(left, BURST);
    left -= burst;
    if (mode === 'one') for (let index = 0; index < burst; index++) data.send(bytes);
    else if (mode === 'gso') data.send(joined.subarray(0, burst * bytes.length), segmented);
    else data.sendMany(bursts[burst] ?? []);
    commands.send(bytesOf(burst));
  };
  const report = (): void => {
    process.stdout.write(`sent ${wanted} received ${received - before}\n`);
  };
  const data: DatagramSocket = loop.datagram({
    ...settings,
    connect: { host, port: Number(port) },
    handlers: {
      datagrams: () => {
        received += 1;
        left -= 1;
        if (left === 0) report();
        else data.send(bytes);
      },
    },
  });
  const commands: DatagramSocket = loop.datagram({
    ...settings,
    connect: { host, port: Number(control) },
    handlers: {
      datagrams: (_, batch) => {
        received = wordOf(batch.bytes(0));
        if (left === 0) report();
        else sendBurst();
      },
    },
  });
  createInterface({ input: process.stdin }).on('line', (line) => {
    wanted = Number(line);
    left = wanted;
    before = received;
    if (mode === 'echo') data.send(bytes);
    else sendBurst();
  });
}

using loop = new EventLoop({ backend: loopName as LoopName });
// An orderly end lets a profiler write what it has seen.
process.once('SIGTERM', () => loop.stop());
if (role === 'recv') receive(loop);
else send(loop);
await loop.run();
process.stdin.destroy();
