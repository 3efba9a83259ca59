// A server that adds up: for await over its connections and their lines, with deadlines.
//
//   node build/examples/async-iteration.js [PORT [SECONDS]]
//
// `printf '1\n2\n3\n' | ncat 127.0.0.1 7007` (or nc -N) prints 6. A client that has not ended its
// list after SECONDS (10) gets no answer. Ctrl-C ends it.

import { type AsyncConnection, EventLoop } from 'sockloop';

const [port = '7007', seconds = '10'] = process.argv.slice(2);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('the server ends')));

const loop = new EventLoop();
loop.attach();
const listener = loop.listen({ host: '127.0.0.1', port: Number(port), signal: stop.signal });
console.log(`listening on port ${listener.port}`);

async function add(connection: AsyncConnection): Promise<void> {
  await using client = connection; // Closes it in the end, whatever happens.
  const deadline = AbortSignal.any([stop.signal, AbortSignal.timeout(Number(seconds) * 1000)]);
  deadline.addEventListener('abort', () => void client.close());
  let sum = 0;
  for await (const line of client.lines({ bytesMax: 100 })) {
    const number = Number(line);
    if (Number.isNaN(number)) throw new TypeError(`"${line}" is no number`);
    sum += number;
  }
  deadline.throwIfAborted(); // The iteration ends when the connection is closed, too.
  await client.end(`${sum}\n`);
}

for await (const connection of listener) {
  // Not awaited: the next client is served meanwhile.
  add(connection).catch((error: Error) => console.error(`a client: ${error.message}`));
}
