/** Scenarios over TLS: a loop that is attached, certificates, and what the two sides have heard. */

import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EventLoop, type LoopName } from '#src/index.js';
import { backends } from '#src/loop/backends.js';
import { connect, listen, type TlsConnection, type TlsListener } from '#src/net/tls/index.js';
import type { TlsConnectSettings } from '#src/net/tls/tls-connector.js';
import type { TlsListenSettings } from '#src/net/tls/tls-listener.js';
import { nativeSys } from '#src/sys/native.js';
import { CertificateAuthority } from '../../harness/certificates.ts';
import { leakCheck } from '../../harness/leaks.ts';
import { reasonWithout } from '../../harness/other-programs.ts';

const TIMEOUT_MS = 60_000;
const STEP_MS = 2;

/** The certificates of a test file. */
export const authority = new CertificateAuthority();
process.once('exit', () => authority[Symbol.dispose]());

/** One for localhost and 127.0.0.1. */
export const localhost = authority.issue('localhost', {
  name: 'localhost',
  altNames: 'DNS:localhost,IP:127.0.0.1',
});

// libuv opens a descriptor, for the day when there are none left, with the first of its streams.
const first = createServer().listen(0, '127.0.0.1');
await once(first, 'listening');
first.close();
await once(first, 'close');

/** What a test gets. */
export interface Scenario {
  readonly t: TestContext;
  readonly loop: EventLoop;
}

/** The loops on which every scenario runs. */
const LOOPS: readonly LoopName[] = ['epoll', 'io_uring'];

function reasonWithoutLoop(name: LoopName): string | false {
  const answer = backends.find((entry) => entry.name === name)?.available(nativeSys());
  return answer === undefined || answer === true ? false : answer.reason;
}

/** Runs `body` as a test on each loop, which is attached meanwhile. */
export function scenario(name: string, body: (scenario: Scenario) => Promise<void>): void {
  for (const backend of LOOPS) {
    const skip = reasonWithoutLoop(backend) || reasonWithout('openssl');
    test(`${backend}: ${name}`, { skip, timeout: TIMEOUT_MS }, async (t) => {
      leakCheck(t);
      using loop = new EventLoop({ backend });
      loop.attach();
      await body({ t, loop });
    });
  }
}

/** Waits until `condition` holds; the test's own timeout ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(STEP_MS);
}

/** What a side has heard. */
export class Heard {
  readonly events: string[] = [];
  readonly chunks: Buffer[] = [];
  readonly sessions: Uint8Array[] = [];
  connection: TlsConnection<unknown> | null = null;
  /** The error of `close`; undefined before it. */
  closeError: Error | null | undefined;
  /** The error of the handshake. */
  error: Error | null = null;

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  get bytes(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  get closeCode(): unknown {
    return (this.closeError as { code?: unknown } | null | undefined)?.code;
  }

  get code(): unknown {
    return (this.error as { code?: unknown } | null)?.code;
  }

  get isOver(): boolean {
    return this.closeError !== undefined || this.error !== null;
  }

  /** The handshake has failed. */
  failed(error: Error): void {
    this.error = error;
  }

  /** Handlers that keep what they hear. With `isHalfOpen` the peer's end does not end this side. */
  handlers(isHalfOpen = false): Required<TlsListenSettings['handlers']> {
    return {
      open: (connection) => {
        this.connection = connection;
        this.events.push('open');
      },
      data: (_, chunk) => void this.chunks.push(Buffer.from(chunk)),
      drain: () => void this.events.push('drain'),
      end: (connection) => {
        this.events.push('end');
        if (!isHalfOpen) connection.end();
      },
      close: (_, error) => {
        this.closeError = error;
        this.events.push('close');
      },
      session: (_, session) => void this.sessions.push(session),
    };
  }
}

/** Listens, and keeps what the connections hear. */
export function server(
  { loop }: Scenario,
  options: Partial<TlsListenSettings> = {},
  isHalfOpen = false,
): { heard: Heard; listener: TlsListener; port: number } {
  const heard = new Heard();
  const listener = listen(loop, {
    host: '127.0.0.1',
    port: 0,
    tls: { ...localhost },
    handlers: heard.handlers(isHalfOpen),
    onHandshakeError: (error) => heard.failed(error),
    ...options,
  });
  return { heard, listener, port: listener.port ?? 0 };
}

/** Connects, and keeps what the connection hears. */
export function client(
  { loop }: Scenario,
  port: number,
  options: Partial<TlsConnectSettings> & { host?: string } = {},
  isHalfOpen = false,
): Heard {
  const heard = new Heard();
  connect(loop, {
    host: '127.0.0.1',
    port,
    tls: { ca: authority.cert },
    handlers: heard.handlers(isHalfOpen),
    onError: (error) => heard.failed(error),
    ...options,
  });
  return heard;
}

/** The connection that a side has, once it is open. */
export async function open(heard: Heard): Promise<TlsConnection<unknown>> {
  await until(() => heard.connection !== null || heard.isOver);
  if (heard.connection === null) throw heard.error ?? new Error('closed before it was open');
  return heard.connection;
}

/** Waits until both sides are closed. */
export async function over(...sides: readonly Heard[]): Promise<void> {
  await until(() => sides.every(({ isOver }) => isOver));
}
