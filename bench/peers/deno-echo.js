/**
 * An echo server on Deno.listen, to stand beside epoll-echo.c.
 *
 *   deno run --allow-net deno-echo.js PORT    listens on 127.0.0.1; PORT 0 takes a free one; prints
 *                                             "listening PORT"
 *
 * A client's reads and writes are awaited in turn, so it is not read from while it does not take
 * its echo, and one that ends its side gets the rest of it first. The buffer of each client holds
 * the largest message that is measured. Ends on SIGTERM.
 */

const RECEIVE_BYTES = 16384;
/** A client that does not wait for its echo is nobody's mistake. */
const GONE = new Set(['BrokenPipe', 'ConnectionAborted', 'ConnectionReset', 'TimedOut']);
/** Out of descriptors, one may be free again after that. */
const PATIENCE_MS = 10;

async function echo(client) {
  const buffer = new Uint8Array(RECEIVE_BYTES);
  for (;;) {
    const length = await client.read(buffer);
    if (length === null) return;
    for (let sent = 0; sent < length; ) sent += await client.write(buffer.subarray(sent, length));
  }
}

async function serve(client) {
  try {
    client.setNoDelay(true);
    await echo(client);
  } catch (error) {
    if (!GONE.has(error.name)) throw error;
  } finally {
    client.close();
  }
}

const listener = Deno.listen({
  hostname: '127.0.0.1',
  port: Number(Deno.args.at(-1)),
  tcpBacklog: 65535,
});
console.log(`listening ${listener.addr.port}`);
// Deno opens what it needs for signals at some later time, and panics if it cannot: so, now.
Deno.addSignalListener('SIGTERM', () => Deno.exit(0));
for (;;) {
  try {
    serve(await listener.accept());
  } catch {
    await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  }
}
