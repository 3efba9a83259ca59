/** Streams, listeners, connects and watches over a kernel that a test plays, and what they hear. */

import type { AcceptSink, Backend, Stream, StreamSink } from '#src/loop/backend.js';
import type { Interest } from '#src/poller/poller.js';

/** A loop whose kernel the test plays. */
interface Scripted {
  readonly backend: Backend;
  /** A new number of a descriptor, which no process has. */
  newFd(): number;
}

interface ScriptedStream {
  readonly stream: Stream;
  readonly fd: number;
  readonly told: string[];
  send(text: string, length?: number): number;
}

/** A stream, and what its sink was told. */
export function streamOn(
  kernel: Scripted,
  also: Partial<StreamSink> = {},
  tcp = true,
  inherited = false,
): ScriptedStream {
  const told: string[] = [];
  const sink: StreamSink = {
    received: (chunk) => {
      told.push(shown(chunk));
      also.received?.(chunk);
    },
    ended: () => {
      told.push('ended');
      also.ended?.();
    },
    failed: (errno) => {
      told.push(`failed ${errno}`);
      also.failed?.(errno);
    },
    drained: () => {
      told.push('drained');
      also.drained?.();
    },
    closed: () => {
      told.push('closed');
      also.closed?.();
    },
  };
  const stream = kernel.backend.open(kernel.newFd(), sink, tcp, inherited);
  const send = (text: string, length = text.length): number =>
    stream.send(length === text.length ? Buffer.from(text) : Buffer.alloc(length, text), 0, length);
  return { stream, fd: stream.fd, told, send };
}

/** A connect, and what its sink was told. */
export function connectOn(kernel: Scripted, address: Uint8Array, length = address.length) {
  const told: string[] = [];
  const operation = kernel.backend.connect(kernel.newFd(), address, length, {
    connected: (fd) => told.push(`connected ${fd}`),
    failed: (errno) => told.push(`failed ${errno}`),
    closed: () => told.push('closed'),
  });
  return { operation, fd: operation.fd, told };
}

/** A watch, and what it was told. */
export function watchOn(kernel: Scripted, interest: Interest, fd = kernel.newFd()) {
  const told: number[] = [];
  const watch = kernel.backend.watch(fd, interest, { ready: (found) => told.push(found) });
  return { watch, fd, told };
}

/** A listener, and what its sink was told. */
export function listenOn(kernel: Scripted, also: Partial<AcceptSink> = {}, limited = false) {
  const told: string[] = [];
  const acceptance = kernel.backend.accept(
    kernel.newFd(),
    {
      accepted: (fd) => {
        told.push(`${fd}`);
        also.accepted?.(fd);
      },
      exhausted: (errno, shed) => {
        told.push(`exhausted ${errno}, ${shed} shed`);
        also.exhausted?.(errno, shed);
      },
      failed: (errno) => told.push(`failed ${errno}`),
      closed: () => told.push('closed'),
    },
    limited,
  );
  return { acceptance, fd: acceptance.fd, told };
}

/** A long text of one character is so many of them. */
export function shown(chunk: Uint8Array): string {
  const text = Buffer.from(chunk).toString('latin1');
  return text.length > 9 && text === text.charAt(0).repeat(text.length)
    ? `${text[0]}*${text.length}`
    : text;
}
