import { Peer } from '#sim/peers.js';
import type { SimSys } from '#sim/sim-sys.js';
import { NEWLINE } from '#src/base/bytes.js';
import type { Random } from '#src/base/random.js';
import type { SocketAddress } from '#src/sys/sockaddr.js';
import type { Oracle } from './oracle.ts';

/** The expected answer: see `EchoMode`. */
export type Answer = 'echo' | 'line' | 'once';

/**
 * How a client behaves: `patient` waits for all of its echo; `rude` resets and `silent` closes at a
 * random moment; `staller` neither sends more nor ends; `stuck` sends and never reads.
 */
export type Manner = 'patient' | 'rude' | 'silent' | 'staller' | 'stuck';

/** Enough of a full send buffer: with small buffers a byte costs more turns. */
const BUFFERS_MAX = 60;

export interface ClientOptions {
  readonly name: string;
  readonly address: SocketAddress;
  readonly answer: Answer;
  /** The most bytes that it sends, and that it does most times. */
  readonly bytesMax: number;
  readonly bytesUsual: number;
  /** No line is longer. */
  readonly lineBytesMax: number;
  /** True if it may stay until the server closes it. */
  readonly mayLinger: boolean;
  readonly oracle: Oracle;
  /** Called once it is done. */
  readonly left: () => void;
}

/** A client that sends bytes and compares each byte of the echo. */
export class ClientPeer {
  done = false;
  /** Its connection was reset, ended early, or never made. */
  brokenBy: string | null = null;
  readonly manner: Manner;
  readonly name: string;
  readonly #sys: SimSys;
  readonly #options: ClientOptions;
  readonly #peer: Peer;
  readonly #bytes: Uint8Array;
  readonly #buffer = new Uint8Array(2048);
  readonly #chunkMax: number;
  readonly #napMs: number;
  #sent = 0;
  /** The most bytes that may have come back by now. */
  #due = 0;
  #received = 0;
  #ended = false;
  #begun = false;

  constructor(sys: SimSys, options: ClientOptions) {
    this.#sys = sys;
    this.#options = options;
    this.name = options.name;
    this.#peer = new Peer(sys, options.name, () => this.#act());
    const { random } = this.#peer;
    this.manner = chosenManner(random, options.mayLinger);
    this.#bytes = content(sys, random, options);
    this.#chunkMax = random.between(1, random.chance(0.5) ? 1500 : options.bytesMax);
    this.#napMs = random.chance(0.3) ? random.between(1, 20) : 0;
    this.#peer.sleep(random.between(0, 60));
  }

  /** Its own port, 0 before it connects; and when it was done. */
  port = 0;
  doneMs = Number.POSITIVE_INFINITY;

  get sentBytes(): number {
    return this.#sent;
  }

  get receivedBytes(): number {
    return this.#received;
  }

  /** True if it ends without a stop of the server. */
  get patient(): boolean {
    return this.manner === 'patient';
  }

  /** True if it waits until the server closes it. */
  get lingers(): boolean {
    return this.manner === 'staller' || this.manner === 'stuck';
  }

  #act(): void {
    if (this.done) return;
    if (!this.#begun) this.#begin();
    if (this.#peer.connecting || this.done) return;
    if (this.manner !== 'stuck') this.#receive();
    this.#send();
    const leaves = this.manner === 'rude' || this.manner === 'silent';
    if (this.done || !leaves) return;
    if (this.#peer.random.chance(0.15)) this.#leave();
    else this.#peer.sleep(this.#peer.random.between(1, 30));
  }

  #begin(): void {
    this.#begun = true;
    const result = this.#peer.connect(this.#options.address);
    const { address } = this.#peer;
    this.port = address?.family === 'IPv4' ? address.port : 0;
    if (result < 0 && result !== -this.#sys.abi.errno.EINPROGRESS) this.#finish('no connection');
  }

  #leave(): void {
    if (this.manner === 'rude') this.#peer.reset();
    this.#finish(this.brokenBy);
  }

  #send(): void {
    if (this.done || this.#ended) return;
    const { random } = this.#peer;
    const count = Math.min(this.#bytes.length - this.#sent, random.between(1, this.#chunkMax));
    if (count > 0) {
      const result = this.#peer.send(this.#bytes, this.#sent, count);
      // Room in the send buffer wakes it again.
      if (result === -this.#sys.abi.errno.EAGAIN) return;
      if (result < 0) {
        this.#finish(`send gave ${result}`);
        return;
      }
      this.#sent += result;
      this.#updateDue();
    }
    if (this.#sent < this.#bytes.length) this.#peer.sleep(this.#napMs + 0.01);
    else if (!this.lingers) this.#end();
  }

  #updateDue(): void {
    const whole = this.#options.answer !== 'echo';
    this.#due = whole ? this.#bytes.lastIndexOf(NEWLINE, this.#sent - 1) + 1 : this.#sent;
  }

  #end(): void {
    // The textbook's client waits for its one answer, and the server ends first.
    if (this.#options.answer === 'once' && this.#peer.random.chance(0.5)) return;
    this.#ended = true;
    this.#due = this.#bytes.length;
    this.#peer.end();
  }

  #receive(): void {
    while (!this.done) {
      const room = this.#peer.random.between(1, this.#buffer.length);
      const count = this.#peer.receive(this.#buffer, room);
      if (count === -this.#sys.abi.errno.EAGAIN) return;
      if (count < 0) this.#finish(`receive gave ${count}`);
      else if (count === 0) this.#endCame();
      else this.#compare(count);
      if (count <= 0 || this.#napMs === 0) continue;
      // A slow reader takes a piece, and more of it later.
      this.#peer.sleep(this.#napMs);
      return;
    }
  }

  #compare(count: number): void {
    const { oracle } = this.#options;
    const from = this.#received;
    if (from + count > this.#due) oracle.broken(`${this.name}: an echo came before its send`);
    for (let index = 0; index < count; index += 1) {
      if (this.#buffer[index] === this.#bytes[from + index]) continue;
      oracle.broken(`${this.name}: byte ${from + index} is another one`);
      break;
    }
    this.#received += count;
  }

  #endCame(): void {
    const lost = this.#bytes.length - this.#received;
    this.#finish(lost === 0 ? null : `the end came with ${lost} of ${this.#bytes.length} missing`);
  }

  #finish(brokenBy: string | null): void {
    this.brokenBy = brokenBy;
    this.done = true;
    this.doneMs = this.#peer.nowMs;
    this.#peer.close();
    this.#options.left();
  }
}

function chosenManner(random: Random, mayLinger: boolean): Manner {
  if (random.chance(0.65)) return 'patient';
  const manners = ['rude', 'silent', 'staller', 'stuck'] as const;
  return manners[random.below(mayLinger ? 4 : 2)] ?? 'rude';
}

function content(sys: SimSys, random: Random, options: ClientOptions): Uint8Array {
  const { sendBufferBytes, receiveBufferBytes } = sys.kernel.limits;
  const most = Math.min(
    options.bytesMax,
    BUFFERS_MAX * Math.min(sendBufferBytes, receiveBufferBytes),
  );
  const kind = random.fraction();
  let length = random.below(Math.min(most, options.bytesUsual));
  if (kind < 0.15) length = random.below(3);
  else if (kind > 0.85) length = random.below(most);
  const { answer, lineBytesMax } = options;
  if (answer === 'once') length = Math.min(length, lineBytesMax - 1) + 1;
  const bytes = new Uint8Array(length);
  const lineMax = random.between(1, lineBytesMax);
  let lineBytes = 0;
  for (let index = 0; index < length; index += 1) {
    const byte = random.word() & 0xff;
    lineBytes += 1;
    const ends = answer === 'line' && (lineBytes === lineBytesMax || random.chance(1 / lineMax));
    bytes[index] = ends ? NEWLINE : byte === NEWLINE && answer !== 'echo' ? 0 : byte;
    if (ends) lineBytes = 0;
  }
  if (answer === 'once') bytes[length - 1] = NEWLINE;
  return bytes;
}
