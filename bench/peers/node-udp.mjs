/**
 * A sender and a receiver of datagrams on node:dgram, to stand beside udp.c: same words, same
 * bursts. A receiver on node:dgram is called for each datagram as it comes, and cannot look later.
 *
 *   node node-udp.mjs recv MODE SIZE
 *   node node-udp.mjs send MODE SIZE PORT CONTROL
 */
import { createSocket } from 'node:dgram';
import { createInterface } from 'node:readline';

const BURST = 64;
const QUEUE_BYTES = 212_992;
const LATE_MS = 200;

const [role, mode, size, port, control] = process.argv.slice(2);

async function opened() {
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: QUEUE_BYTES,
    sendBufferSize: QUEUE_BYTES,
  });
  await new Promise((resolve) => socket.bind(0, '127.0.0.1', resolve));
  return socket;
}

const connected = (socket, to) =>
  new Promise((resolve) => socket.connect(Number(to), '127.0.0.1', resolve));

function word(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

async function receive() {
  const [data, commands] = [await opened(), await opened()];
  let total = 0;
  // A burst is announced while its last datagrams are on their way to the handler.
  let expected = 0;
  let answer = null;
  const tell = () => {
    if (answer === null || total < expected) return;
    commands.send(word(total), answer.port, answer.address);
    answer = null;
  };
  if (mode === 'echo') {
    data.on('message', (bytes, from) => data.send(bytes, from.port, from.address));
  } else {
    data.on('message', () => {
      total += 1;
      tell();
    });
  }
  commands.on('message', (bytes, from) => {
    expected += bytes.readUInt32LE();
    answer = from;
    tell();
    // What is lost does not come.
    if (answer === null) return;
    setTimeout(() => {
      expected = total;
      tell();
    }, LATE_MS).unref();
  });
  process.stdout.write(`listening ${data.address().port} ${commands.address().port}\n`);
}

async function send() {
  const [data, commands] = [await opened(), await opened()];
  await connected(data, port);
  await connected(commands, control);
  const bytes = Buffer.alloc(Number(size));
  let received = 0;
  let next = () => undefined;
  (mode === 'echo' ? data : commands).on('message', (reply) => next(reply));
  const reply = () =>
    new Promise((resolve) => {
      next = resolve;
    });
  const run = async (wanted) => {
    const before = received;
    if (mode === 'echo') {
      for (let left = wanted; left > 0; left--) {
        const back = reply();
        data.send(bytes);
        await back;
      }
      received += wanted;
    } else {
      for (let left = wanted; left > 0; ) {
        const burst = Math.min(left, BURST);
        let sent = 0;
        await new Promise((resolve) => {
          for (let index = 0; index < burst; index++) {
            data.send(bytes, () => {
              sent += 1;
              if (sent === burst) resolve();
            });
          }
        });
        const back = reply();
        commands.send(word(burst));
        received = (await back).readUInt32LE();
        left -= burst;
      }
    }
    process.stdout.write(`sent ${wanted} received ${received - before}\n`);
  };
  for await (const line of createInterface({ input: process.stdin })) await run(Number(line));
}

await (role === 'recv' ? receive() : send());
