// Goal: colours go to terminals that show them, unless the environment asks for none.
// Method: the decision alone, with each variable that it reads.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasColor } from '#tools/terminal/style.js';

test('colours: on a terminal, and not where NO_COLOR, TERM or CLICOLOR ask for none', () => {
  const table: [env: NodeJS.ProcessEnv, isTTY: boolean, color: boolean][] = [
    [{}, true, true],
    [{}, false, false],
    [{ TERM: 'xterm' }, true, true],
    [{ TERM: 'dumb' }, true, false],
    [{ NO_COLOR: '1' }, true, false],
    [{ NO_COLOR: '' }, true, true],
    [{ CLICOLOR: '0' }, true, false],
    [{ CLICOLOR: '1' }, true, true],
  ];
  const before = { ...process.env };
  try {
    for (const [env, isTTY, color] of table) {
      for (const name of ['TERM', 'NO_COLOR', 'CLICOLOR']) delete process.env[name];
      Object.assign(process.env, env);
      assert.equal(hasColor({ isTTY }), color, JSON.stringify(env));
    }
  } finally {
    for (const name of ['TERM', 'NO_COLOR', 'CLICOLOR']) delete process.env[name];
    Object.assign(process.env, before);
  }
});
