// Goal: numbers have three significant digits and the right unit, also if they round up.
// Method: values at and around the limits of every unit.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  counted,
  formatBytes,
  formatCount,
  formatRate,
  formatShare,
  formatTime,
} from '#src/base/number-format.js';

test('figures: each in its unit', () => {
  const table: [actual: string, expected: string][] = [
    [formatTime(0), '0 us'],
    [formatTime(0.001), '1.00 ns'],
    [formatTime(0.25), '250 ns'],
    [formatTime(0.9994), '999 ns'],
    [formatTime(0.9996), '1.00 us'],
    [formatTime(9.994), '9.99 us'],
    [formatTime(9.996), '10.0 us'],
    [formatTime(99.94), '99.9 us'],
    [formatTime(99.96), '100 us'],
    [formatTime(999.4), '999 us'],
    [formatTime(999.6), '1.00 ms'],
    [formatTime(12_345), '12.3 ms'],
    [formatTime(999_600), '1.00 s'],
    [formatTime(3_600_000_000), '3,600 s'],
    [formatBytes(0), '0 bytes'],
    [formatBytes(1), '1 byte'],
    [formatBytes(999), '999 bytes'],
    [formatBytes(1000), '1.00 kB'],
    [formatBytes(12_800_000), '12.8 MB'],
    [formatBytes(5e15), '5,000 TB'],
    [formatCount(0), '0'],
    [formatCount(999.6), '1,000'],
    [formatCount(1_234_567), '1,234,567'],
    [formatRate(0), '0/s'],
    [formatRate(0.5), '0.50/s'],
    [formatRate(12.54), '12.5/s'],
    [formatRate(50), '50/s'],
    [formatRate(182_331.4), '182,331/s'],
    [formatShare(0.426), '43 %'],
    [formatShare(1), '100 %'],
    [counted(0, 'error'), '0 errors'],
    [counted(1, 'error'), '1 error'],
    [counted(1200, 'error'), '1,200 errors'],
  ];
  for (const [actual, expected] of table) assert.equal(actual, expected);
});
