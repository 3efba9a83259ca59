import type { Abi } from '../abi/abi.ts';
import type { CLibrary } from '../c-library.ts';
import { errnoName } from '../errno.ts';
import { lowerFirst } from '../sys-error.ts';
import { noteMapped, noteUnmapping } from '../thread-resources.ts';
import { arm64Code, type MachineCode, x64Code } from './machine-code.ts';

/** The machine code of {@link MachineCode}, ready to be called, or why there is none. */
export type BatchCode =
  | {
      /** Makes `count` records from an address on. Returns how many it has not made. */
      readonly make: (records: number, count: number) => number;
    }
  | { readonly reason: string };

/** The smallest page of every platform; the kernel rounds up. */
const PAGE_BYTES = 4096;

/**
 * Maps a page, writes the code, and makes it executable and read-only: no page is ever writable and
 * executable at once. The code is a constant; nothing in it depends on input.
 */
export function openBatchCode(c: CLibrary, abi: Abi): BatchCode {
  const code = machineCodeFor(abi);
  if (code === null) return { reason: `the calls are made one by one on ${abi.platform}` };
  if (process.env['SOCKLOOP_BATCH'] === '0') return { reason: 'SOCKLOOP_BATCH=0 turns it off' };
  // V8 has no WebAssembly then: the host wants no code that is made at run time.
  if (!('WebAssembly' in globalThis)) return { reason: 'node --jitless forbids machine code' };
  const { PROT_READ, PROT_WRITE, PROT_EXEC, MAP_PRIVATE, MAP_ANONYMOUS } = abi.constants;
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  const page = c.mmap(0, PAGE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (page < 0) return { reason: refused(c, abi, 'mmap') };
  c.view(page, PAGE_BYTES).set(code.bytes);
  // On arm64 the kernel brings the caches for data and instructions into line when a page becomes
  // executable for the first time.
  if (c.mprotect(page, PAGE_BYTES, PROT_READ | PROT_EXEC) < 0) {
    const reason = refused(c, abi, 'mprotect');
    c.munmap(page, PAGE_BYTES);
    return { reason };
  }
  // It stays while its thread runs: a loop may make its last calls while that ends.
  noteMapped(page, PAGE_BYTES);
  pages.push([c, page]);
  return { make: c.batchAt(page) };
}

/** The pages of this thread. */
const pages: [CLibrary, number][] = [];

/** Unmaps the code of this thread, because nothing of it runs any more. */
export function unmapBatchCode(): void {
  for (const [c, page] of pages.splice(0)) {
    noteUnmapping(page);
    c.munmap(page, PAGE_BYTES);
  }
}

/** The machine code of a platform, null if the calls are made one by one there. */
export function machineCodeFor(abi: Abi): MachineCode | null {
  if (abi.platform === 'linux-x64') return x64Code;
  return abi.platform === 'linux-arm64' ? arm64Code : null;
}

function refused(c: CLibrary, abi: Abi, call: string): string {
  const errno = c.errno();
  const words = lowerFirst(c.strerror(errno));
  return `the kernel allows no executable page: ${call}: ${errnoName(abi, errno)} (${words})`;
}
