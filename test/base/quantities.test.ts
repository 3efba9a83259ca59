// Goal: a quantity means the same everywhere, and no other text is accepted.
// Method: tables of texts; NaN for a refused one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDurationMs, parseNumber, parseSizeBytes, parseWhole } from '#src/base/quantities.js';

const { NaN: none } = Number;

type Table = readonly (readonly [text: string, value: number])[];

const tables: readonly [name: string, parse: (text: string) => number, table: Table][] = [
  [
    'times',
    parseDurationMs,
    [
      ['10', 10_000],
      ['0.5', 500],
      ['0', 0],
      ['1.1', 1100],
      ['500ms', 500],
      ['1.1s', 1100],
      ['0.1ms', 0.1],
      ['250us', 0.25],
      ['250\u00b5s', 0.25],
      ['250\u03bcs', 0.25],
      ['100ns', 0.0001],
      ['2m', 120_000],
      ['2min', 120_000],
      ['1h', 3_600_000],
      ['1h30m', 5_400_000],
      ['1m0.5s', 60_500],
      ...['', ' 1', '1 s', '-1', '+1', '1e3', '.5', '5.', 's', '1d', '1S', '1ms5', '0x1'].map(
        (text) => [text, none] as const,
      ),
      ['1constructor', none],
    ],
  ],
  [
    'sizes',
    parseSizeBytes,
    [
      ['64', 64],
      ['64B', 64],
      ['64k', 65_536],
      ['64K', 65_536],
      ['64KiB', 65_536],
      ['64kB', 64_000],
      ['1M', 1_048_576],
      ['1MB', 1_000_000],
      ['1.5k', 1536],
      ['1GiB', 2 ** 30],
      ...['', '1.0', '1.5', '0.3k', '-1', '1e3', 'k', '64 k', '1T', '9999999G'].map(
        (text) => [text, none] as const,
      ),
    ],
  ],
  [
    'whole numbers',
    parseWhole,
    [
      ['50', 50],
      ['007', 7],
      ['20k', 20_000],
      ['20K', 20_000],
      ['1.5M', 1_500_000],
      ['1G', 1e9],
      ...['', '1.0', '1.5', '1.2345k', '1m', '1kB', '-1', '1e3', '9007199254740993'].map(
        (text) => [text, none] as const,
      ),
    ],
  ],
  [
    'numbers',
    parseNumber,
    [
      ['0.5', 0.5],
      ['1.1k', 1100],
      ['20k', 20_000],
      ['1m', none],
      ['-1', none],
    ],
  ],
];

for (const [name, parse, table] of tables) {
  test(`quantities: ${name}`, () => {
    for (const [text, value] of table) assert.equal(parse(text), value, `"${text}"`);
  });
}
