/**
 * A sender and a receiver of datagrams on Bun, to stand beside udp.c: same words, same bursts.
 * A receiver on Bun is called for each datagram as it comes, and cannot look later.
 *
 *   bun bun-udp.js recv MODE SIZE
 *   bun bun-udp.js send MODE SIZE PORT CONTROL
 */
const BURST = 64;
const LATE_MS = 200;

const [role, mode, size, port, control] = process.argv.slice(2);
const hostname = '127.0.0.1';

function word(value) {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

function wordOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

async function receive() {
  let total = 0;
  let expected = 0;
  let answer = null;
  const tell = () => {
    if (answer === null || total < expected) return;
    commands.send(word(total), answer.port, answer.address);
    answer = null;
  };
  const data = await Bun.udpSocket({
    hostname,
    socket: {
      data(socket, bytes, from, address) {
        if (mode === 'echo') {
          socket.send(bytes, from, address);
          return;
        }
        total += 1;
        tell();
      },
    },
  });
  const commands = await Bun.udpSocket({
    hostname,
    socket: {
      data(_, bytes, from, address) {
        expected += wordOf(bytes);
        answer = { port: from, address };
        tell();
        if (answer === null) return;
        // What is lost does not come.
        setTimeout(() => {
          expected = total;
          tell();
        }, LATE_MS);
      },
    },
  });
  console.log(`listening ${data.port} ${commands.port}`);
}

async function send() {
  const bytes = new Uint8Array(Number(size));
  let next = () => undefined;
  const answered = { data: (_, reply) => next(reply) };
  const open = (to, socket) =>
    Bun.udpSocket({ hostname, connect: { hostname, port: Number(to) }, socket });
  const data = await open(port, mode === 'echo' ? answered : {});
  const commands = await open(control, mode === 'echo' ? {} : answered);
  const reply = () =>
    new Promise((resolve) => {
      next = resolve;
    });
  let received = 0;
  const burst = (count) => {
    if (mode === 'batch') data.sendMany(Array(count).fill(bytes));
    else for (let index = 0; index < count; index++) data.send(bytes);
  };
  for await (const line of console) {
    const wanted = Number(line);
    const before = received;
    for (let left = wanted; left > 0; ) {
      const count = mode === 'echo' ? 1 : Math.min(left, BURST);
      const back = reply();
      burst(count);
      if (mode !== 'echo') commands.send(word(count));
      const answer = await back;
      received = mode === 'echo' ? received + 1 : wordOf(answer);
      left -= count;
    }
    console.log(`sent ${wanted} received ${received - before}`);
  }
}

await (role === 'recv' ? receive() : send());
