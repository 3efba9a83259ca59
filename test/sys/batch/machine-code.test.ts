// Goal: the bytes that a package makes executable are those of the source beside them, and the
// source can be read: one system call, one store, no way out but its return.
// Method: objdump(1) of both processors disassembles the bytes.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { arm64Code, type MachineCode, x64Code } from '#src/sys/batch/machine-code.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, scratch } from '#test/harness/other-programs.js';

interface Processor {
  readonly name: string;
  readonly code: MachineCode;
  readonly objdump: string;
  readonly machine: string;
  /** The system call, the one store besides those of the stack, the return. */
  readonly trap: string;
  readonly store: string;
  readonly return: string;
  /** Instructions that store, but not on the stack. */
  readonly stores: RegExp;
  readonly jumps: RegExp;
}

const processors: readonly Processor[] = [
  {
    name: 'x64',
    code: x64Code,
    objdump: 'objdump',
    machine: 'i386:x86-64',
    trap: 'syscall',
    store: 'mov %rax,0x38(%rbx)',
    return: 'ret',
    // The last operand is the destination; test and cmp have none.
    stores: /^(?!test|cmp|push)\S+ .*\)$/,
    jumps: /^(?:j\w+|call|loop\w*) (?:\*|)(\w+)/,
  },
  {
    name: 'arm64',
    code: arm64Code,
    objdump: 'aarch64-linux-gnu-objdump',
    machine: 'aarch64',
    trap: 'svc #0x0',
    store: 'str x0, [x9, #56]',
    return: 'ret',
    stores: /^(?:st|swp|cas|ldadd|ldset|ldclr|ldeor|dc )/,
    jumps: /^(?:b|bl|b\.\w+|br|blr|cbn?z|tbn?z)(?: .*,)? (\w+)$/,
  },
];

interface Instruction {
  readonly at: number;
  readonly text: string;
}

/** What objdump makes of the bytes: white space, targets and comments as the sources have them. */
function disassembled(t: TestContext, { code, objdump, machine }: Processor): Instruction[] {
  const file = join(scratch(t), 'code');
  writeFileSync(file, code.bytes);
  const words = ['-D', '-b', 'binary', '-m', machine, '--no-show-raw-insn', file];
  const { status, stdout, stderr, error } = spawnSync(objdump, words, { encoding: 'utf8' });
  assert.equal(status, 0, `${objdump}: ${error?.message ?? stderr}`);
  const instructions: Instruction[] = [];
  for (const line of stdout.split('\n')) {
    const [, at, text] = /^ *([0-9a-f]+):\t(.*)$/.exec(line) ?? [];
    if (at === undefined || text === undefined) continue;
    const plain = text.replace(/ +(?:\/\/|#) .*$/, '').replaceAll(/\s+/g, ' ');
    // A target is an address without a base, a number has one.
    instructions.push({
      at: Number.parseInt(at, 16),
      text: plain.trim().replace(/(^(?:j|b\.|cb|tb).*[ ,])0x([0-9a-f]+)$/, '$1$2'),
    });
  }
  return instructions;
}

for (const processor of processors) {
  const { name, code, objdump } = processor;
  const skip = reasonWithout(objdump);

  test(`machine code: ${name}: the bytes are the source`, { skip }, (t) => {
    leakCheck(t);
    const found = disassembled(t, processor);
    assert.deepEqual(
      found.map(({ text }) => text),
      code.source,
    );
    const last = found.at(-1);
    assert.equal(last?.text, processor.return);
    const lastBytes = name === 'x64' ? 1 : 4;
    assert.equal(last.at + lastBytes, code.bytes.length, 'nothing follows the return');
  });

  test(`machine code: ${name}: one system call, one store, no way out`, { skip }, (t) => {
    leakCheck(t);
    const found = disassembled(t, processor);
    const starts = new Set(found.map(({ at }) => at));
    const texts = found.map(({ text }) => text);
    const count = (wanted: (text: string) => boolean): string[] => texts.filter(wanted);
    assert.deepEqual(
      count((text) => /^(?:syscall|sysenter|int|svc|hvc|smc)\b/.test(text)),
      [processor.trap],
    );
    assert.deepEqual(
      count((text) => processor.stores.test(text)),
      [processor.store],
    );
    assert.deepEqual(
      count((text) => /^(?:ret|iret|call|jmp|blr?\b|br\b)/.test(text)),
      [processor.return],
    );
    const targets = texts.flatMap((text) => processor.jumps.exec(text)?.[1] ?? []);
    assert.ok(targets.length > 2, targets.join());
    for (const target of targets) {
      assert.ok(starts.has(Number.parseInt(target, 16)), `a jump to ${target}`);
    }
  });
}

test('machine code: it does not fill a page', (t) => {
  leakCheck(t);
  for (const { code } of processors) assert.ok(code.bytes.length < 100);
});
