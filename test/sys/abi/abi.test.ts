import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Abi } from '#src/sys/abi/abi.js';
import { abiFor, abis } from '#src/sys/abi/index.js';
import { errnoName, gaiName } from '#src/sys/errno.js';
import { constantsOf, LIBKQUEUE_CONSTANTS, LIBKQUEUE_STRUCTS, structsOf } from './table.ts';

/** What the headers of a platform say: `fields` are [offset, size, first bit?, last bit?]. */
interface Vector {
  readonly platform: string;
  readonly constants: Readonly<Record<string, number>>;
  readonly errno: Readonly<Record<string, number>>;
  readonly structs: Readonly<
    Record<string, { readonly size: number; readonly fields: Readonly<Record<string, number[]>> }>
  >;
}

/** Marks in errno.h that are no errors; macOS moves its own with every release. */
const ERRNO_MARKS: ReadonlySet<string> = new Set(['ELAST']);

/** The headers that a name of the table is held against. */
function sourceOf(abi: Abi, name: string): Vector {
  if (!abi.platform.startsWith('linux')) return vectorOf(abi);
  if (LIBKQUEUE_STRUCTS.has(name)) return vectorNamed('darwin-x64');
  return LIBKQUEUE_CONSTANTS.has(name) ? vectorNamed('freebsd-x64') : vectorOf(abi);
}

function vectorOf(abi: Abi): Vector {
  return vectorNamed(abi.platform);
}

function vectorNamed(platform: string): Vector {
  const file = new URL(`../../../../test/sys/abi/vectors/${platform}.json`, import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8'));
}

function sharedNumbers(numbers: Readonly<Record<string, number>>): string[][] {
  const names = new Map<number, string[]>();
  for (const [name, number] of Object.entries(numbers)) {
    names.set(number, [...(names.get(number) ?? []), name]);
  }
  return [...names.values()].filter((group) => group.length > 1).map((group) => group.sort());
}

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: a suite of tests
describe('the tables and the headers of six platforms', () => {
  it('are found by the names that Node uses', () => {
    assert.deepEqual(abis.map((abi) => abi.platform).sort(), [
      'darwin-arm64',
      'darwin-x64',
      'freebsd-arm64',
      'freebsd-x64',
      'linux-arm64',
      'linux-x64',
    ]);
    for (const abi of abis) {
      const [platform, arch] = abi.platform.split('-');
      assert.equal(abiFor(platform ?? '', arch ?? ''), abi);
    }
    assert.equal(abiFor('win32', 'x64'), null);
    assert.equal(abiFor('linux', 'riscv64'), null);
    assert.equal(abiFor('linux-x64', ''), null);
  });

  for (const abi of abis) {
    describe(abi.platform, () => {
      const vector = vectorOf(abi);

      it('agree in every constant and option', () => {
        assert.equal(vector.platform, abi.platform);
        for (const [name, value] of Object.entries(constantsOf(abi))) {
          assert.equal(value, sourceOf(abi, name).constants[name], name);
        }
      });

      it('have io_uring on Linux only', () => {
        assert.equal(abi.ioUring !== null, abi.platform.startsWith('linux'));
      });

      it('agree in every errno, and neither has one more', () => {
        const expected = Object.entries(vector.errno).filter(([name]) => !ERRNO_MARKS.has(name));
        assert.deepEqual({ ...abi.errno }, Object.fromEntries(expected));
      });

      it('agree in every structure', () => {
        for (const [name, layout] of structsOf(abi)) {
          const expected = sourceOf(abi, name).structs[name];
          assert.ok(expected, name);
          assert.equal(layout.size, expected.size, name);
          for (const [fieldName, { offset, size, bits }] of Object.entries(layout.fields)) {
            const field = [offset, size, ...(bits ?? [])];
            assert.deepEqual(field, expected.fields[fieldName], `${name}.${fieldName}`);
          }
        }
      });

      it('have one name for each number of a level', () => {
        const levels = new Map<string, Record<string, number>>();
        for (const [name, number] of Object.entries(abi.options)) {
          const level = name.slice(0, name.indexOf('_'));
          levels.set(level, { ...levels.get(level), [name]: number });
        }
        for (const [level, options] of levels) assert.deepEqual(sharedNumbers(options), [], level);
      });

      it('name every errno, the better known name first', () => {
        const yielding = new Set<string>();
        for (const group of sharedNumbers(abi.errno)) {
          const name = errnoName(abi, abi.errno[group[0] ?? ''] ?? 0);
          assert.ok(['EAGAIN', 'EDEADLK', 'EOPNOTSUPP'].includes(name), group.join());
          assert.ok(group.includes(name));
          for (const other of group) if (other !== name) yielding.add(other);
        }
        for (const [name, number] of Object.entries(abi.errno)) {
          if (yielding.has(name)) continue;
          assert.equal(errnoName(abi, number), name);
          assert.equal(errnoName(abi, -number), name);
        }
        assert.equal(errnoName(abi, 4000), 'UNKNOWN_4000');
        assert.equal(errnoName(abi, -4000), 'UNKNOWN_4000');
        assert.equal(errnoName(abi, 0), 'UNKNOWN_0');
      });

      it('name every result of getaddrinfo', () => {
        for (const [name, code] of Object.entries(abi.constants)) {
          if (name.startsWith('EAI_')) assert.equal(gaiName(abi, code), name);
        }
        assert.equal(gaiName(abi, 0), 'UNKNOWN_0');
        assert.equal(gaiName(abi, -4000), 'UNKNOWN_-4000');
      });
    });
  }
});

describe('the numbers of libkqueue', () => {
  it('are only those that the headers of Linux lack', () => {
    for (const { constants, structs } of [vectorNamed('linux-x64'), vectorNamed('linux-arm64')]) {
      for (const name of LIBKQUEUE_CONSTANTS) assert.equal(constants[name], undefined, name);
      for (const name of LIBKQUEUE_STRUCTS) assert.equal(structs[name], undefined, name);
    }
  });

  it('are those of the BSDs, which disagree in one', () => {
    const [darwin, freebsd] = [vectorNamed('darwin-x64'), vectorNamed('freebsd-x64')];
    const differing = [...LIBKQUEUE_CONSTANTS].filter(
      (name) => darwin.constants[name] !== freebsd.constants[name],
    );
    assert.deepEqual(differing, ['EVFILT_USER']);
  });
});
