import { readSigned, writeInteger } from '#src/sys/struct.js';
import { type Kernel, PENDING } from './kernel.ts';
import { type FilterState, type OpenFile, Ready } from './open-file.ts';

/**
 * The bits of `file` that a poller sees: those of `wanted`, and always errors and hang-ups. The
 * faults of readiness happen here, for every way of waiting.
 */
export function observe(kernel: Kernel, file: OpenFile, wanted: number): number {
  const ready = file.poll() & (wanted | Ready.err | Ready.hup);
  if (ready !== 0) return isHidden(kernel, file) ? 0 : ready;
  const possible = wanted & file.spuriousBits;
  return possible !== 0 && kernel.faults.fires('spuriousReadiness') ? possible : 0;
}

/** The same for one filter of a kqueue. */
export function observeFilter(
  kernel: Kernel,
  file: OpenFile,
  write: boolean,
  state: FilterState,
): void {
  file.filter(write, state);
  if (state.ready) {
    state.ready = !isHidden(kernel, file);
    return;
  }
  if ((file.spuriousBits & (write ? Ready.out : Ready.in)) === 0) return;
  state.ready = kernel.faults.fires('spuriousReadiness');
}

function isHidden(kernel: Kernel, file: OpenFile): boolean {
  if (file.hiddenUntilNs > kernel.clock.nowNs) return true;
  if (!kernel.faults.fires('hiddenReadiness')) return false;
  const delayNs = kernel.faultNs('hiddenReadiness');
  file.hiddenUntilNs = kernel.clock.nowNs + delayNs;
  kernel.lookAgain(delayNs);
  return true;
}

/** poll(2). `timeoutNs` may be Infinity. */
export function pollDescriptors(
  kernel: Kernel,
  fds: Uint8Array,
  count: number,
  timeoutNs: number,
): number {
  const { pollfd } = kernel.abi.structs;
  const { POLLNVAL, POLLRDHUP = 0 } = kernel.abi.constants;
  const view = new DataView(fds.buffer, fds.byteOffset);
  const scan = (): number => {
    let found = 0;
    for (let index = 0; index < count; index += 1) {
      const base = index * pollfd.size;
      const fd = readSigned(view, base, pollfd.fields.fd);
      const events = readSigned(view, base, pollfd.fields.events);
      const file = kernel.descriptors.get(fd);
      let revents = 0;
      if (file !== undefined) {
        const wanted = (events & 0xff) | ((events & POLLRDHUP) === 0 ? 0 : Ready.rdhup);
        const ready = observe(kernel, file, wanted);
        revents = (ready & 0xff) | ((ready & Ready.rdhup) === 0 ? 0 : POLLRDHUP);
      } else if (fd >= 0) {
        revents = POLLNVAL;
      }
      writeInteger(view, base, pollfd.fields.revents, revents);
      if (revents === 0) continue;
      found += 1;
      kernel.trace.mix(fd * 65_536 + revents);
    }
    return found > 0 ? found : PENDING;
  };
  const result = kernel.wait('poll', scan, timeoutNs);
  return result === PENDING ? 0 : result;
}

/** The bits that set a descriptor in select(2): POLLIN_SET and POLLOUT_SET of Linux. */
const READABLE = Ready.in | Ready.hup | Ready.err;
const WRITABLE = Ready.out | Ready.err;

/** select(2) with a decoded timeout. Rewrites the sets unless the result is an error. */
export function selectDescriptors(
  kernel: Kernel,
  nfds: number,
  readfds: Uint8Array | null,
  writefds: Uint8Array | null,
  timeoutNs: number,
): number {
  const { EINVAL, EBADF } = kernel.errno;
  if (nfds < 0) return -EINVAL;
  const wantRead = readfds?.slice() ?? null;
  const wantWrite = writefds?.slice() ?? null;
  for (let fd = 0; fd < nfds; fd += 1) {
    const asked = hasBit(wantRead, fd) || hasBit(wantWrite, fd);
    if (asked && kernel.descriptors.get(fd) === undefined) return -EBADF;
  }
  const scan = (): number => {
    clearBits(readfds, nfds);
    clearBits(writefds, nfds);
    let found = 0;
    for (let fd = 0; fd < nfds; fd += 1) {
      const reads = hasBit(wantRead, fd);
      const writes = hasBit(wantWrite, fd);
      const file = reads || writes ? kernel.descriptors.get(fd) : undefined;
      if (file === undefined) continue;
      const ready = observe(kernel, file, (reads ? Ready.in : 0) | (writes ? Ready.out : 0));
      if (reads && (ready & READABLE) !== 0) found += setBit(readfds, fd);
      if (writes && (ready & WRITABLE) !== 0) found += setBit(writefds, fd);
      if (ready !== 0) kernel.trace.mix(fd * 65_536 + ready);
    }
    return found > 0 ? found : PENDING;
  };
  const result = kernel.wait('select', scan, timeoutNs);
  if (result === PENDING) return 0;
  if (result < 0) {
    // An interrupted select leaves the sets as they were.
    if (wantRead !== null) readfds?.set(wantRead);
    if (wantWrite !== null) writefds?.set(wantWrite);
  }
  return result;
}

function hasBit(set: Uint8Array | null, fd: number): boolean {
  return set !== null && (((set[fd >> 3] ?? 0) >> (fd & 7)) & 1) === 1;
}

function setBit(set: Uint8Array | null, fd: number): number {
  if (set === null) return 0;
  set[fd >> 3] = (set[fd >> 3] ?? 0) | (1 << (fd & 7));
  return 1;
}

/** The kernel rewrites whole words of 64 bits, but never a bit beyond them. */
function clearBits(set: Uint8Array | null, nfds: number): void {
  set?.fill(0, 0, Math.min(set.length, Math.ceil(nfds / 64) * 8));
}
