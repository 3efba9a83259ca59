// Goal: the echo servers that sockloop is measured against are correct, so that the comparison is
// fair: every byte comes back however it is sent and read, a slow client costs no memory, a rude
// one does no harm, and a lack of descriptors costs no CPU time.
// Method: each is built and started as the benchmark does it, with clients of Node's net. A server
// that needs the network or another compiler runs if it is named:
//   SOCKLOOP_PEERS=bun,deno,go node --test build/test/bench/peers.test.js

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Peer, peers, reference } from '#bench/measure/peers.js';
import { bounded, closed, dial, heard, rudeClients, talk } from '#test/harness/clients.js';
import { type Command, start, WAIT_MS } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout, reasonWithoutProc, scratch } from '#test/harness/other-programs.js';
import { cpuTicksOf } from '#test/harness/process-state.js';

const timeout = 60_000;
const ALWAYS = ['c-uring', 'libuv', 'node-net'];
const named = (process.env['SOCKLOOP_PEERS'] ?? '').split(',');

const ODD_BYTES = [1, 7, 64, 1000, 1460, 4097, 16_383, 65_537];
const ODD_TOTAL_BYTES = 200_000;
/** More than the buffers of four sockets hold with the limits that Linux has by default. */
const SLOW_BYTES = 32 * 1024 * 1024;
const PIECE_BYTES = 65_536;
const STALLED_MS = 300;
/** The most memory of a server for a client that does not read. */
const KEPT_KIB_MAX = 16 * 1024;
const CROWD = 300;
const FDS_MAX = 48;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A peer, or the reason why it is missing. */
interface TestedPeer {
  readonly name: string;
  readonly command: readonly string[];
  /** Why it is not tested, or false. Where everything must run (CI), it fails instead. */
  readonly skip: string | false;
}

async function testedPeer({ name, prepare }: Peer, folder: string): Promise<TestedPeer> {
  const prepared = await prepare({ folder });
  if ('command' in prepared) return { name, command: prepared.command, skip: false };
  // Tests cannot lift a restriction of the kernel: EPERM by seccomp or sysctl, ENOSYS.
  const isForbidden = prepared.reason.startsWith('io_uring_setup: ');
  const mustRun = process.env['CI'] !== undefined && !isForbidden;
  const command = ['sh', '-c', 'echo "$0" >&2; exit 1', prepared.reason];
  return { name, command, skip: mustRun ? false : prepared.reason };
}

/** Starts a server and waits until it listens. */
async function listening(t: TestContext, words: readonly string[]) {
  const command = start(t, words);
  const [, port] = await command.until('out', /^listening (?:on \S+:)?(\d+)/);
  return { command, port: Number(port) };
}

/** Asserts that it ends by SIGTERM. Returns its standard error. */
async function ends(command: Command): Promise<string> {
  const { status, signal, err } = await command.stop();
  assert.ok(signal === 'SIGTERM' || status === 0, `ended with ${signal ?? status}\n${err}`);
  return err;
}

function residentKiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s*(\d+) kB$/m.exec(status)?.[1]);
}

/** `bytes` in pieces of odd sizes. */
function* oddPieces(bytes: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = ODD_BYTES[turn % ODD_BYTES.length] ?? 1;
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

/** Sends until the server takes no more, and reads nothing. */
async function fill(socket: Socket, bytes: Uint8Array): Promise<void> {
  socket.pause();
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    socket.write(bytes.subarray(at, at + PIECE_BYTES));
  }
  socket.end();
  let left = Number.POSITIVE_INFINITY;
  while (socket.writableLength > 0 && socket.writableLength < left) {
    left = socket.writableLength;
    await delay(STALLED_MS);
  }
}

/** Reads until the server ends its side. */
async function rest(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const end = new Promise<void>((resolve, reject) => {
    socket.once('end', resolve).once('close', () => reject(new Error('closed without an end')));
  });
  socket.on('data', (piece: Buffer) => pieces.push(piece)).resume();
  await bounded(end, 'the rest');
  await closed(socket);
  return Buffer.concat(pieces);
}

async function checkOddPieces(port: number): Promise<void> {
  const bytes = randomBytes(ODD_TOTAL_BYTES);
  const socket = await dial({ port });
  const reply = rest(socket);
  for (const piece of oddPieces(bytes)) {
    await new Promise((resolve) => socket.write(piece, resolve));
  }
  socket.end();
  assert.equal(sha256(await reply), sha256(bytes));
}

/** Reads the echo in odd pieces, each before the next is sent. */
async function checkOddReads(port: number): Promise<void> {
  const bytes = randomBytes(ODD_TOTAL_BYTES);
  const socket = await dial({ port });
  const chunks: AsyncIterator<Buffer> = socket.iterator({ destroyOnReturn: false });
  const back: Buffer[] = [];
  for (const piece of oddPieces(bytes)) {
    socket.write(piece);
    for (let left = piece.length; left > 0; ) {
      const { value } = await bounded(chunks.next(), 'an echo');
      back.push(value);
      left -= value.length;
    }
  }
  assert.equal(sha256(Buffer.concat(back)), sha256(bytes));
  await closed(socket);
}

async function checkSlowReader(port: number, pid: number): Promise<void> {
  const bytes = randomBytes(SLOW_BYTES);
  const before = residentKiB(pid);
  const socket = await dial({ port });
  await fill(socket, bytes);
  const kept = residentKiB(pid) - before;
  assert.ok(kept < KEPT_KIB_MAX, `keeps ${kept} KiB for a client that does not read`);
  assert.equal((await talk({ port }, 'others are served')).toString(), 'others are served');
  assert.equal(sha256(await rest(socket)), sha256(bytes));
}

/** Several clients at once: each gets its own bytes. */
async function checkSlowCrowd(port: number): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: 8 }, () => dial({ port })));
  const bytes = sockets.map(() => randomBytes(SLOW_BYTES / 8));
  await Promise.all(sockets.map((socket, at) => fill(socket, bytes[at] ?? Buffer.alloc(0))));
  const replies = await Promise.all(sockets.map(rest));
  assert.deepEqual(replies.map(sha256), bytes.map(sha256));
}

async function checkCrowd(port: number): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: CROWD }, () => dial({ port })));
  for (let round = 0; round < 3; round++) {
    const lines = sockets.map((_, at) => `client ${at}, round ${round}`);
    for (const [at, socket] of sockets.entries()) socket.write(lines[at] ?? '');
    assert.deepEqual((await Promise.all(sockets.map(heard))).map(String), lines);
  }
  await Promise.all(sockets.map(closed));
}

/**
 * Clients that have sent, ended their side and closed before the server receives: it receives their
 * bytes, and its send fails with EPIPE, and SIGPIPE unless it is ignored.
 */
async function checkBrokenPipes(port: number, { child }: Command): Promise<void> {
  const sockets = await Promise.all(Array.from({ length: 20 }, () => dial({ port })));
  // Closing a socket with unread bytes resets the connection.
  for (const socket of sockets) socket.pause().write(randomBytes(4 * PIECE_BYTES));
  await delay(100);
  child.kill('SIGSTOP');
  for (const socket of sockets) {
    socket.write('not read by the server');
    await bounded(new Promise<void>((resolve) => socket.end(resolve)), 'ending a side');
  }
  await Promise.all(sockets.map(closed));
  child.kill('SIGCONT');
}

/** The answer of a server that may reset connections until it has descriptors again. */
async function answerOnceRoom(port: number, text: string): Promise<string> {
  const deadlineMs = performance.now() + WAIT_MS;
  for (;;) {
    try {
      return (await talk({ port }, text)).toString();
    } catch (error) {
      if (performance.now() > deadlineMs) throw error;
      await delay(20);
    }
  }
}

/** More clients than descriptors: the server need not serve them, but must not spin. */
async function checkFewFds(port: number, pid: number): Promise<void> {
  const first = await dial({ port });
  first.write('first');
  assert.equal((await heard(first)).toString(), 'first');
  const sockets = await Promise.all(Array.from({ length: 2 * FDS_MAX }, () => dial({ port })));
  await delay(100);
  const ticks = cpuTicksOf(pid);
  await delay(500);
  const used = cpuTicksOf(pid) - ticks;
  assert.ok(used <= 10, `${used} ticks of 50 used, with nothing to do`);
  first.write('still here');
  assert.equal((await heard(first)).toString(), 'still here');
  await Promise.all([first, ...sockets].map(closed));
  assert.equal(await answerOnceRoom(port, 'there is room again'), 'there is room again');
}

const folder = scratch({ after });
// All are built before the first test; the folder is removed after the last one.
const tested: TestedPeer[] = [];
for (const peer of [reference, ...peers]) {
  const isWanted = peer === reference || [...ALWAYS, ...named].includes(peer.name);
  if (isWanted) tested.push(await testedPeer(peer, folder));
}

for (const { name, command: words, skip } of tested) {
  const unfit = skip || reasonWithoutProc;
  test(`${name}: every byte comes back, in order`, { timeout, skip }, async (t) => {
    leakCheck(t);
    const { command, port } = await listening(t, words);
    await checkOddPieces(port);
    await checkOddReads(port);
    assert.equal((await talk({ port }, '')).length, 0);
    await checkCrowd(port);
    assert.equal(await ends(command), '');
  });

  test(`${name}: clients that read late`, {
    timeout,
    skip: unfit,
  }, async (t) => {
    leakCheck(t);
    const { command, port } = await listening(t, words);
    await checkSlowReader(port, command.pid);
    await checkSlowCrowd(port);
    assert.equal(await ends(command), '');
  });

  test(`${name}: survives rude clients`, { timeout, skip }, async (t) => {
    leakCheck(t);
    const { command, port } = await listening(t, words);
    for (const rude of rudeClients) {
      await rude.run({ port });
      assert.equal((await talk({ port }, 'polite')).toString(), 'polite', rude.name);
    }
    await checkBrokenPipes(port, command);
    assert.equal((await talk({ port }, 'polite')).toString(), 'polite');
    assert.equal(await ends(command), '');
  });

  test(`${name}: more clients than descriptors`, {
    timeout,
    skip: unfit || reasonWithout('prlimit'),
  }, async (t) => {
    leakCheck(t);
    const limited = ['prlimit', `--nofile=${FDS_MAX}:${FDS_MAX}`, ...words];
    const { command, port } = await listening(t, limited);
    await checkFewFds(port, command.pid);
    // Some report what they lack.
    await ends(command);
  });
}
