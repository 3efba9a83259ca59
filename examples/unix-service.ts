// A service on a UNIX socket: a request is a line, and so is its answer.
//
//   node build/examples/unix-service.js PATH               the service, until Ctrl-C
//   node build/examples/unix-service.js PATH set key word  one request and its answer: ok
//   node build/examples/unix-service.js PATH get key       word
//
// A file that a dead service has left is taken over; one of a living service is EADDRINUSE.

import { type AsyncConnection, EventLoop } from 'sockloop';

const [path = '/tmp/service.sock', ...request] = process.argv.slice(2);
const loop = new EventLoop();
loop.attach();

const words = new Map<string, string>();

function answerTo([verb = '', key = '', ...value]: readonly string[]): string {
  if (verb === 'get') return words.get(key) ?? 'nothing';
  if (verb !== 'set') return `error: no request is called "${verb}"`;
  words.set(key, value.join(' '));
  return 'ok';
}

async function answer(connection: AsyncConnection): Promise<void> {
  await using client = connection;
  for await (const line of client.lines({ bytesMax: 1000 })) {
    // Waits for a client that does not read: its next request is not read either.
    await client.write(`${answerTo(line.split(' '))}\n`);
  }
}

async function serve(): Promise<void> {
  const listener = loop.listen({ path });
  process.once('SIGINT', () => void listener.shutdown({ deadlineMs: 1000 }));
  console.log(`listening on ${path}`);
  for await (const connection of listener) {
    answer(connection).catch((error: Error) => console.error(`a client: ${error.message}`));
  }
}

async function ask(): Promise<void> {
  await using service = await loop.connectAsync({ path, signal: AbortSignal.timeout(1000) });
  await service.end(`${request.join(' ')}\n`);
  for await (const line of service.lines()) console.log(line);
}

await (request.length === 0 ? serve() : ask());
