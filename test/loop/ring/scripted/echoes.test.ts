// Goal: streams on io_uring send back what they receive, byte by byte, however the kernel mixes
// late submissions, short writes, full queues and buffers that are used again.
// Method: the test is the kernel, by seeds. It fills each buffer that it is given at once, so that
// one that came back too early would show.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '#src/base/random.js';
import { nativeSys } from '#src/sys/native.js';
import { leakCheck } from '#test/harness/leaks.js';
import { streamOn } from '../../scripted-sinks.ts';
import { ScriptedKernel, withoutRings as skip } from './kernel.ts';

const { EAGAIN, EBUSY = 16 } = nativeSys().abi.errno;

/** Sources that bring bytes to streams, each of which sends them back, and the kernel's whims. */
class Echoes {
  readonly kernel: ScriptedKernel;
  readonly #random: Random;
  readonly #streams: { readonly fd: number; brought: number }[];

  constructor(kernel: ScriptedKernel, seed: number) {
    this.kernel = kernel;
    this.#random = new Random(seed, 'echoes');
    this.#streams = Array.from({ length: 14 }, () => {
      const { stream, fd } = streamOn(kernel, {
        received: (chunk) => stream.send(chunk, 0, chunk.length),
      });
      return { fd, brought: 0 };
    });
    kernel.onSendNow = (length) => this.#result(length, 0.6);
  }

  #result(length: number, whole: number): number {
    const random = this.#random;
    if (random.chance(whole)) return length;
    return random.chance(0.5) ? random.below(length) : -EAGAIN;
  }

  /** The byte at a place of what a stream is brought. */
  #text(fd: number, from: number, length: number): Buffer {
    return Buffer.from(Array.from({ length }, (_, at) => ((from + at) * 7 + fd * 31) & 255));
  }

  step(): void {
    const { kernel } = this;
    const random = this.#random;
    kernel.takes = random.chance(0.1) ? -EBUSY : random.between(1, 8);
    for (const one of this.#streams) {
      const receives = kernel.inFlight.some((what) => what.startsWith(`recv ${one.fd} `));
      if (receives && kernel.buffersFree > 0 && random.chance(0.6)) {
        const length = random.between(1, 40);
        kernel.bring(one.fd, this.#text(one.fd, one.brought, length), { more: true });
        one.brought += length;
      }
      const send = kernel.inFlight.find((what) => what.startsWith(`send ${one.fd} `));
      if (send !== undefined && random.chance(0.5)) this.#completeSend(send);
    }
    kernel.turn();
  }

  #completeSend(send: string): void {
    this.kernel.complete(send, Math.max(0, this.#result(this.kernel.lengthOf(send), 0.5)));
  }

  finish(): void {
    const { kernel } = this;
    kernel.takes = 8;
    kernel.onSendNow = (length) => length;
    for (let turn = 0; turn < 400; turn += 1) {
      for (const send of kernel.inFlight.filter((what) => what.startsWith('send '))) {
        kernel.complete(send, kernel.lengthOf(send));
      }
      kernel.turn();
    }
    for (const { fd, brought } of this.#streams) {
      const sent = Buffer.concat(kernel.sent.get(fd) ?? []);
      assert.equal(sent.length, brought, 'all is sent');
      assert.ok(sent.equals(this.#text(fd, 0, brought)), `${fd}: other bytes than were brought`);
    }
    assert.equal(kernel.buffersFree, kernel.backend.buffers.count, 'all buffers are free');
  }
}

test('ring echoes: they are whole whatever the kernel takes and holds back', { skip }, (t) => {
  leakCheck(t);
  for (let seed = 1; seed <= 12; seed += 1) {
    const kernel = new ScriptedKernel(t);
    const echoes = new Echoes(kernel, seed);
    kernel.turn();
    for (let step = 0; step < 150; step += 1) echoes.step();
    assert.ok(kernel.backend.stats.overflows > 0);
    echoes.finish();
  }
});
