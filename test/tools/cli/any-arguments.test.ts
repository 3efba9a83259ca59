// Goal: whatever the arguments are, a command refuses them in a sentence.
// Method: random flags of its own help with random values, and one argument that is always wrong,
// so that nothing starts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sockloopHere } from '#test/harness/in-process.js';
import { leakCheck } from '#test/harness/leaks.js';

/** Each command with what makes its arguments wrong in any case. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  serve: ['--loop', 'x'],
  load: ['127.0.0.1', 'x'],
  compare: ['--duration', 'x'],
  merge: ['/dev/null/nothing'],
  send: ['127.0.0.1', '1', '--timeout', 'x'],
  top: ['x'],
};

/** Flags after which no arguments are looked at, or that are about files to write. */
const LEFT_OUT = ['--help', '--version', '--report', '--trace'];

const values = fc.oneof(
  fc.constantFrom(...['', '-', '0', '-0', '-1', '1', '1e999', '99999999999999999999']),
  fc.constantFrom(
    ...['0x10', '1_000', '1.5', 'NaN', 'Infinity', '1..2', '1-2', '2-1', '5ms', '1h'],
  ),
  fc.constantFrom(...['max', 'auto', 'epoll', 'line', 'none', 'off', '50%', '101%', '__proto__']),
  fc.constantFrom(...['127.0.0.1/8', '::/129', '[::1]:1', '1:1', '@', 'constructor', 'p99 > 5ms']),
  // Not -h and -V, which end it wherever they are.
  fc.string({ maxLength: 6 }).filter((word) => !/^-+[hVv]/.test(word)),
);

/** The flags of `command`, and whether each takes a value: another one's would be an argument. */
async function flagsOf(command: string): Promise<[flag: string, takesValue: boolean][]> {
  const { out } = await sockloopHere(command, '--help');
  const flags = [...out.matchAll(/^ +(?:-\w, )?(--[a-z][a-z-]+)( [<[])?/gm)];
  assert.ok(flags.length > 2, out);
  return flags.flatMap(([, flag = '', value]) =>
    LEFT_OUT.includes(flag) ? [] : [[flag, value !== undefined]],
  );
}

for (const [command, wrong] of Object.entries(COMMANDS)) {
  test(`arguments of ${command}: any are refused in a sentence`, { timeout: 60_000 }, async (t) => {
    leakCheck(t);
    const flags = await flagsOf(command);
    const words = fc.array(fc.tuple(fc.constantFrom(...flags), fc.option(values)), {
      maxLength: 4,
    });
    const property = fc.asyncProperty(words, async (pairs) => {
      const given = pairs.flatMap(([[flag, takesValue], value]) =>
        takesValue && value !== null ? [flag, value] : [flag],
      );
      const { status, err, out } = await sockloopHere(command, ...given, ...wrong);
      const said = `${given.join(' ')}: status ${status}, ${err}`;
      assert.ok(status === 1 || status === 2, said);
      assert.equal(out, '', said);
      assert.match(err, /^sockloop: ./, said);
      assert.doesNotMatch(err, /\n\s+at |undefined|\[object|TypeError/, said);
    });
    await fc.assert(property, { numRuns: 80 });
  });
}
