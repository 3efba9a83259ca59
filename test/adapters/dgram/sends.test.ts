// Goal: sends that the queue of the loop refuses wait, and each callback hears of its own datagram.
// Method: a handle that takes what it is told to, and settles when it is told to.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sends } from '#src/adapters/dgram/sends.js';
import type { DatagramHandle } from '#src/loop/datagram/contract.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';

const { abi } = nativeSys();
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Handle {
  readonly taken: string[] = [];
  room = 0;
  flushes = 0;
  queuedBytes = 0;
  queuedDatagrams = 0;

  send(bytes: Uint8Array): boolean {
    if (this.room === 0) return false;
    this.room -= 1;
    this.taken.push(String(Buffer.from(bytes)));
    return true;
  }

  flush(): void {
    this.flushes += 1;
  }
}

function made(room: number): { handle: Handle; sends: Sends; heard: string[] } {
  const handle = new Handle();
  handle.room = room;
  const sends = new Sends(abi, () => handle as unknown as DatagramHandle);
  return { handle, sends, heard: [] };
}

test('sends: what is refused waits for room, in order, as a copy', async (t) => {
  leakCheck(t);
  const { handle, sends, heard } = made(2);
  const bytes = Buffer.from('a');
  for (const text of ['a', 'b', 'c', 'd']) {
    bytes.write(text);
    sends.send(bytes, null, (error, count) => heard.push(`${text} ${error} ${count}`));
  }
  assert.deepEqual(handle.taken, ['a', 'b']);
  assert.deepEqual([sends.queuedBytes, sends.queuedDatagrams], [2, 2]);
  await tick();
  assert.ok(handle.flushes > 0);
  assert.deepEqual(heard, []);
  sends.settled(2, 0);
  await tick();
  assert.deepEqual(heard, ['a null 1', 'b null 1']);
  handle.room = 1;
  sends.drained();
  handle.room = 1;
  sends.drained();
  assert.deepEqual(handle.taken, ['a', 'b', 'c', 'd']);
  assert.deepEqual([sends.queuedBytes, sends.queuedDatagrams], [0, 0]);
  sends.settled(2, 0);
  await tick();
  assert.equal(heard.length, 4);
});

test('sends: an error reaches the datagrams that it is of', async (t) => {
  leakCheck(t);
  const { sends, heard } = made(10);
  for (let at = 0; at < 6; at++) {
    sends.send(Buffer.from('x'), null, (error) => heard.push(`${at} ${error?.message}`), 'h', at);
  }
  sends.settled(1, 0);
  sends.settled(2, abi.errno.EINVAL);
  await tick();
  sends.settled(1, 0);
  sends.settled(1, abi.errno.EACCES);
  await tick();
  sends.end();
  await tick();
  assert.deepEqual(heard, [
    '0 undefined',
    '1 send EINVAL h:1',
    '2 send EINVAL h:2',
    '3 undefined',
    '4 send EACCES h:4',
    '5 send ECANCELED h:5',
  ]);
});
