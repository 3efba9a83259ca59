import type { EventLoopOptions } from '#src/net/event-loop.js';
import type { Connection } from '#src/net/stream/connection.js';
import type { ConnectOptions, Connector } from '#src/net/stream/connector.js';
import type { LoadLedger } from './load-ledger.ts';
import type { Oracle } from './oracle.ts';
import { WatchedLoop } from './watched-loop.ts';

/** What the loop knows of the run that stands on it. */
export interface RunFacts {
  readonly messageBytes: number;
  readonly inFlightMax: number;
  readonly messagesPerConnection: number;
  /** Messages that are due or under way. */
  readonly owed: number;
}

/** The run is over, because it has gone wrong. */
export class RunOver extends Error {
  override readonly name = 'RunOver';
}

/** The bytes of one connection. */
interface Line {
  written: Buffer;
  writtenBytes: number;
  receivedBytes: number;
}

const FIRST_BYTES = 256;
const TURNS_MAX = 60_000;

/** The loop of a thread of a run: sees each byte that is sent and received, and judges it. */
export class LoadLoop extends WatchedLoop {
  opened = 0;
  connectsFailed = 0;
  writtenBytes = 0;
  receivedBytes = 0;
  /** When the run must be over. */
  deadlineMs = Number.POSITIVE_INFINITY;
  turnsTaken = 0;
  /** Set once the thread is made. */
  facts: RunFacts | null = null;
  ledger: LoadLedger | null = null;
  readonly #oracle: Oracle;
  readonly #pass: () => void;
  readonly #open = new Set<object>();
  readonly #lines = new WeakMap<object, Line>();

  /** `pass` lets a little time pass. */
  constructor(options: EventLoopOptions, oracle: Oracle, pass: () => void) {
    super(options, oracle);
    this.#oracle = oracle;
    this.#pass = pass;
  }

  /** How many connections the client has not given up, nor heard the end of. */
  get openCount(): number {
    return this.#open.size;
  }

  override turn(waitMsMax: number): void {
    const oracle = this.#oracle;
    this.turnsTaken += 1;
    if (this.turnsTaken > TURNS_MAX) oracle.broken(`not over after ${TURNS_MAX} turns`);
    const nowMs = this.sys.monotonicMs();
    if (nowMs > this.deadlineMs) oracle.broken(`not over at ${nowMs}, due ${this.deadlineMs}`);
    if (oracle.violation !== null) throw new RunOver(oracle.violation);
    super.turn(waitMsMax);
    // The client spins for the last part of a wait, and a backend may make no call then.
    if (this.sys.monotonicMs() === nowMs) this.#pass();
    const { facts, ledger } = this;
    if (facts === null || ledger === null) return;
    oracle.expect(facts.owed === ledger.outstanding, `${facts.owed} owed: ${ledger.outstanding}`);
  }

  override connect<Data = undefined>(options: ConnectOptions<Data>): Connector<Data> {
    const { handlers, onError } = options;
    return super.connect<Data>({
      ...options,
      handlers: {
        ...handlers,
        open: (connection) => {
          this.opened += 1;
          this.#follow(connection);
          handlers.open?.(connection);
        },
        close: (connection, error) => {
          this.#open.delete(connection);
          handlers.close?.(connection, error);
        },
        data: (connection, chunk) => {
          const line = this.#lines.get(connection);
          if (line === undefined) this.#oracle.broken('bytes of an unknown connection');
          else this.#received(connection, line, chunk, () => handlers.data?.(connection, chunk));
        },
      },
      onError: (error, errors) => {
        this.connectsFailed += 1;
        const { ledger } = this;
        if (ledger !== null) ledger.connectFails = true;
        onError?.(error, errors);
        this.#oracle.expect(ledger?.connectFails !== true, 'a failed connect is not counted');
      },
    });
  }

  /** Writes down what the connection sends. */
  #follow<Data>(connection: Connection<Data>): void {
    const line = { written: Buffer.alloc(FIRST_BYTES), writtenBytes: 0, receivedBytes: 0 };
    this.#lines.set(connection, line);
    this.#open.add(connection);
    const write = connection.write.bind(connection);
    connection.write = (data, offset = 0, length) => {
      if (!(data instanceof Uint8Array)) throw new Error('a message is bytes');
      const byteLength = length ?? data.length - offset;
      append(line, data.subarray(offset, offset + byteLength));
      this.writtenBytes += byteLength;
      this.#judgeWritten(line);
      return write(data, offset, byteLength);
    };
    const reset = connection.reset.bind(connection);
    connection.reset = () => {
      this.#open.delete(connection);
      reset();
    };
  }

  #judgeWritten({ writtenBytes, receivedBytes }: Line): void {
    const { messageBytes = 1, inFlightMax = 0, messagesPerConnection = 0 } = this.facts ?? {};
    const oracle = this.#oracle;
    oracle.expect(writtenBytes % messageBytes === 0, 'a part of a message is written');
    oracle.expect(writtenBytes <= messagesPerConnection * messageBytes, 'more than its share');
    const awaited = Math.ceil((writtenBytes - receivedBytes) / messageBytes);
    oracle.expect(awaited <= inFlightMax, `${awaited} in flight, of ${inFlightMax}`);
  }

  /** Bytes count as so many replies, or end the connection. */
  #received<Data>(
    connection: Connection<Data>,
    line: Line,
    chunk: Uint8Array,
    tell: () => void,
  ): void {
    const oracle = this.#oracle;
    const { ledger } = this;
    const { messageBytes = 1 } = this.facts ?? {};
    const repliedBefore = ledger?.replied ?? 0;
    const { mismatch: mismatchesBefore = 0 } = ledger?.failed ?? {};
    const from = line.receivedBytes;
    const isRight =
      from + chunk.length <= line.writtenBytes &&
      line.written.compare(chunk, 0, chunk.length, from, from + chunk.length) === 0;
    this.receivedBytes += chunk.length;
    line.receivedBytes += chunk.length;
    const whole = Math.floor(line.receivedBytes / messageBytes) - Math.floor(from / messageBytes);
    tell();
    const replied = (ledger?.replied ?? 0) - repliedBefore;
    if (isRight) {
      oracle.expect(replied === whole, `${replied} replies of ${whole} are counted`);
      return;
    }
    oracle.expect(replied <= whole, `${replied} replies in bytes of ${whole}`);
    const { mismatch = 0 } = ledger?.failed ?? {};
    oracle.expect(mismatch > mismatchesBefore, 'wrong bytes are not counted');
    oracle.expect(!connection.isOpen, 'wrong bytes, and the connection goes on');
  }
}

function append(line: Line, bytes: Uint8Array): void {
  const end = line.writtenBytes + bytes.length;
  if (end > line.written.length) {
    const larger = Buffer.alloc(2 ** Math.ceil(Math.log2(end)));
    line.written.copy(larger, 0, 0, line.writtenBytes);
    line.written = larger;
  }
  line.written.set(bytes, line.writtenBytes);
  line.writtenBytes = end;
}
