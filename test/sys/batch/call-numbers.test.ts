// Goal: each record names the call that is meant. Method: the numbers of the kernel's headers.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { arm64Numbers, x64Numbers } from '#src/sys/batch/call-numbers.js';
import { leakCheck } from '#test/harness/leaks.js';
import { root } from '#test/harness/programs.js';

for (const [platform, numbers] of [
  ['linux-x64', x64Numbers],
  ['linux-arm64', arm64Numbers],
] as const) {
  test(`call numbers: those of ${platform} are the headers'`, (t) => {
    leakCheck(t);
    const file = `${root}test/sys/abi/vectors/${platform}.json`;
    const constants: Record<string, number> = JSON.parse(readFileSync(file, 'utf8')).constants;
    for (const [name, number] of Object.entries(numbers)) {
      assert.equal(number, constants[`SYS_${name}`], name);
    }
    assert.deepEqual(Object.keys(numbers), Object.keys(x64Numbers));
    assert.equal(new Set(Object.values(numbers)).size, Object.keys(numbers).length);
  });
}
