// Goal: TLS works where node:tls is not built as it is in Node.js 20 to 26, and its stream wrap
// cannot be found: writes end in immediates then, and all else is the same.
// Method: the wrap is hidden from what looks for it, in all sockets that this process makes.

import assert from 'node:assert/strict';
import tls from 'node:tls';
import { client, open, over, scenario, server } from './scenario.ts';

interface Wrapping {
  _wrapHandle(wrap: object, ...rest: unknown[]): { _parentWrap?: object };
}

let hidden = 0;
const sockets = tls.TLSSocket.prototype as unknown as Wrapping;
const wrapHandle = sockets._wrapHandle;
sockets._wrapHandle = function hideWrap(this: Wrapping, wrap, ...rest) {
  const handle = wrapHandle.call(this, wrap, ...rest);
  const parent = handle._parentWrap;
  if (parent === undefined) return handle;
  hidden += 1;
  handle._parentWrap = new Proxy(parent, {
    get: (target, key) => (key === 'stream' ? null : Reflect.get(target, key)),
  });
  return handle;
};

scenario("a Buffer is the caller's again once it is written, whatever is queued", async (s) => {
  const { heard, listener, port } = server(s);
  const asked = client(s, port);
  const there = await open(heard);
  const here = await open(asked);
  assert.ok(hidden >= 2, 'the wraps are hidden');
  there.pause();
  // Buffer.slice() would share the memory of the pieces that wait.
  const piece = Buffer.alloc(100_000);
  for (let number = 1; number <= 60; number += 1) {
    here.write(piece.fill(number));
    piece.fill(0);
  }
  here.end();
  there.resume();
  there.end('answer');
  await over(asked, heard);
  const received = Buffer.concat(heard.chunks);
  assert.equal(received.length, 60 * piece.length);
  for (let number = 1; number <= 60; number += 1) {
    const part = received.subarray((number - 1) * piece.length, number * piece.length);
    assert.ok(part.equals(Buffer.alloc(piece.length, number)), `piece ${number}`);
  }
  assert.equal(asked.text, 'answer');
  assert.deepEqual([heard.closeError, asked.closeError], [null, null]);
  assert.equal(here.bytesSent, received.length);
  listener.close();
});
