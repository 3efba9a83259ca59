/**
 * A sender and a receiver of datagrams on Deno, to stand beside udp.c: the same words, the same
 * bursts. What is received is awaited one by one.
 *
 *   deno run --allow-net --unstable-net deno-udp.js recv MODE SIZE
 *   deno run --allow-net --unstable-net deno-udp.js send MODE SIZE PORT CONTROL
 */
const BURST = 64;

const [role, mode, size, port, control] = Deno.args;
const hostname = '127.0.0.1';
const open = () => Deno.listenDatagram({ transport: 'udp', hostname, port: 0 });

function word(value) {
  return new Uint8Array(new Uint32Array([value]).buffer);
}

function wordOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
}

async function receive() {
  const [data, commands] = [open(), open()];
  let total = 0;
  console.log(`listening ${data.addr.port} ${commands.addr.port}`);
  if (mode === 'echo') for await (const [bytes, from] of data) await data.send(bytes, from);
  for await (const [bytes, from] of commands) {
    for (let left = wordOf(bytes); left > 0; left--) {
      await data.receive();
      total += 1;
    }
    await commands.send(word(total), from);
  }
}

async function* lines() {
  let text = '';
  for await (const chunk of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const whole = text.split('\n');
    text = whole.pop() ?? '';
    yield* whole;
  }
}

async function send() {
  const [data, commands] = [open(), open()];
  const [to, toControl] = [port, control].map((one) => {
    return { transport: 'udp', hostname, port: Number(one) };
  });
  const bytes = new Uint8Array(Number(size));
  let received = 0;
  for await (const line of lines()) {
    const wanted = Number(line);
    const before = received;
    for (let left = wanted; left > 0; ) {
      const count = mode === 'echo' ? 1 : Math.min(left, BURST);
      for (let index = 0; index < count; index++) await data.send(bytes, to);
      left -= count;
      if (mode === 'echo') {
        await data.receive();
        received += 1;
      } else {
        await commands.send(word(count), toControl);
        const [answer] = await commands.receive();
        received = wordOf(answer);
      }
    }
    console.log(`sent ${wanted} received ${received - before}`);
  }
}

await (role === 'recv' ? receive() : send());
