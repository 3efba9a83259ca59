/**
 * The machine code that makes a list of system calls, and its source: a function `uint32_t (record
 * *first, uint32_t count)` in the calling convention of C. A record is 64 bytes:
 *
 * | offset | bytes | |
 * | --- | --- | --- |
 * | 0 | 4 | number of the call |
 * | 4 | 4 | bit 0: stop after it unless its result is the expected one |
 * | 8 | 6 x 8 | arguments |
 * | 56 | 8 | in: the expected result; out: the result of the kernel, `-errno` for a failure |
 *
 * It returns how many records it has not made. It touches the records and nothing else, keeps no
 * state, and calls nothing but the kernel. `test/sys/batch/machine-code.test.ts` disassembles the
 * bytes and compares them with the source.
 */
export interface MachineCode {
  /** The source, one instruction a line, as objdump(1) prints it. */
  readonly source: readonly string[];
  readonly bytes: Uint8Array;
}

/** The code for Linux on x86-64: the kernel changes rax, rcx and r11 only. */
export const x64Code: MachineCode = {
  source: [
    'endbr64',
    'push %rbx',
    'push %r12',
    'mov %rdi,%rbx',
    'mov %esi,%r12d',
    'test %r12d,%r12d',
    'je 4a',
    'mov (%rbx),%eax',
    'mov 0x8(%rbx),%rdi',
    'mov 0x10(%rbx),%rsi',
    'mov 0x18(%rbx),%rdx',
    'mov 0x20(%rbx),%r10',
    'mov 0x28(%rbx),%r8',
    'mov 0x30(%rbx),%r9',
    'syscall',
    'mov 0x38(%rbx),%rcx',
    'mov %rax,0x38(%rbx)',
    'add $0x40,%rbx',
    'dec %r12d',
    'je 4a',
    'testb $0x1,-0x3c(%rbx)',
    'je 12',
    'cmp %rcx,%rax',
    'je 12',
    'mov %r12d,%eax',
    'pop %r12',
    'pop %rbx',
    'ret',
  ],
  bytes: bytesOf(
    'f30f1efa 53 4154 4889fb 4189f4 4585e4 7438',
    '8b03 488b7b08 488b7310 488b5318 4c8b5320 4c8b4328 4c8b4b30 0f05',
    '488b4b38 48894338 4883c340 41ffcc 740b f643c401 74cd 4839c8 74c8',
    '4489e0 415c 5b c3',
  ),
};

/** The code for Linux on arm64: the kernel changes x0 only. */
export const arm64Code: MachineCode = {
  source: [
    'bti c',
    'mov x9, x0',
    'mov w10, w1',
    'cbz w10, 44',
    'ldr w8, [x9]',
    'ldp x0, x1, [x9, #8]',
    'ldp x2, x3, [x9, #24]',
    'ldp x4, x5, [x9, #40]',
    'svc #0x0',
    'ldr x11, [x9, #56]',
    'str x0, [x9, #56]',
    'ldr w12, [x9, #4]',
    'add x9, x9, #0x40',
    'sub w10, w10, #0x1',
    'tbz w12, #0, c',
    'cmp x0, x11',
    'b.eq c',
    'mov w0, w10',
    'ret',
  ],
  // Words in the order of the manual; memory has the lowest byte first.
  bytes: wordsOf(
    'd503245f aa0003e9 2a0103ea',
    '340001ca b9400128 a9408520 a9418d22 a9429524 d4000001',
    'f9401d2b f9001d20 b940052c 91010129 5100054a 3607feac eb0b001f 54fffe60',
    '2a0a03e0 d65f03c0',
  ),
};

function bytesOf(...parts: string[]): Uint8Array {
  return Uint8Array.from(Buffer.from(parts.join('').replaceAll(' ', ''), 'hex'));
}

function wordsOf(...parts: string[]): Uint8Array {
  return Uint8Array.from(Buffer.from(parts.join('').replaceAll(' ', ''), 'hex').swap32());
}
