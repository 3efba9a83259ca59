import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loopsOf } from '#tools/load/result/run-document.js';

test('run document: threads that came to different loops are all named', () => {
  const loops = (...names: (string | null)[]) => loopsOf(names.map((loop) => ({ loop })));
  assert.equal(loops('io_uring', 'io_uring'), 'io_uring');
  assert.equal(loops('io_uring', 'epoll', null, 'io_uring'), 'io_uring, epoll');
});
