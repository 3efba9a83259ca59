import type { Attack } from '../attack.ts';
import { LINES, QUICK } from '../conditions.ts';
import type { Field } from '../field.ts';

const TEXT = new TextEncoder().encode('one\ntwo\n\nthree, and a last line without an end');
const WAIT_MS = 20_000;

/** A peer ends its side behind each byte of its text: what it sent comes back, and the end. */
export const finEverywhere: Attack = {
  name: 'FIN everywhere',
  idea: 'ends its side behind every single byte of a text, and compares what comes back',
  on: [LINES],
  quickOn: QUICK,
  quickPeers: 1,
  peers: 10,
  isStill: false,
  mayDelay: null,
  run: async (field) => {
    for (let round = 0; round < field.target.peers && !field.isOver; round += 1) {
      for (let length = 0; length <= TEXT.length; length += 1) await endBehind(field, length);
    }
    await field.hold();
  },
};

async function endBehind(field: Field, length: number): Promise<void> {
  const fd = field.dial();
  if (length > 0 && field.push(fd, TEXT.subarray(0, length)) !== length) {
    // It is not connected yet.
    await field.pause(5);
    field.push(fd, TEXT.subarray(0, length));
  }
  field.end(fd);
  const endMs = performance.now() + WAIT_MS;
  let echo = '';
  for (;;) {
    const bytes = field.pull(fd);
    if (bytes?.length === 0) break;
    if (bytes !== null) echo += new TextDecoder().decode(bytes);
    else if (performance.now() > endMs) break;
    else await field.turn();
  }
  const expected = new TextDecoder().decode(TEXT.subarray(0, length));
  if (echo !== expected) field.findings.push(`FIN behind byte ${length}: ${JSON.stringify(echo)}`);
  field.close(fd);
}
