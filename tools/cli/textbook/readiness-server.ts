import { Interest, type Poller, type ReadySink } from 'sockloop/poller';
import type { Socket } from 'sockloop/socket';
import { nativeSys, SysError } from 'sockloop/sys';
import { LineBuffer } from '#src/framing/line-buffer.js';
import { acceptErrorKind } from '#src/sys/error-kinds.js';
import { ACCEPT_PAUSE_MS, CHUNK_BYTES, LINE_BYTES_MAX, LINGER_MS } from '../../echo/limits.ts';
import { logsWait, printError } from '../../terminal/output.ts';
import { KEYBOARD, Keyboard } from './keyboard.ts';
import { Failed, step } from './program.ts';
import { Silence } from './silence.ts';

// The textbook's TCP echo server in one thread that waits for everything at once: for connections,
// for every client and for the keyboard. A client that sends nothing holds up nobody.

/** A connection: first a line comes in, then it goes out. */
interface Client {
  readonly socket: Socket;
  readonly input: LineBuffer;
  /** The line, once it is whole. */
  echo: Uint8Array | null;
  sent: number;
  /** Until when what it still sends is discarded, once it has its echo. */
  lingersUntilMs: number;
}

/** Where that goes. */
const discarded = new Uint8Array(CHUNK_BYTES);

/** Serves a listener and the keyboard until the keyboard says `q`. */
export class LoopServer implements ReadySink {
  readonly #poller: Poller;
  readonly #listener: Socket;
  /** By descriptor, which is also the token. */
  readonly #clients = new Map<number, Client>();
  /** Those that have their echo and have not ended their side, the first to leave in front. */
  readonly #lingering = new Set<Client>();
  readonly #keyboard = new Keyboard(() => this.#requests);
  readonly #silence = new Silence<Client>();
  #requests = 0;
  #accepting = true;

  constructor(poller: Poller, listener: Socket) {
    this.#poller = poller;
    this.#listener = listener;
  }

  run(): void {
    const fd = this.#listener.fileno();
    this.#listener.setBlocking(false);
    this.#poller.register(fd, Interest.read, fd);
    this.#keyboard.prompt();
    this.#watchKeyboard();
    while (!this.#keyboard.quit) {
      this.#poller.wait(this.#silence.waitMs(this.#waitMs()), this);
      for (const client of this.#silence.take()) this.#answer(client, client.input.takeRest());
      if (!this.#accepting) this.#setAccepting(true);
    }
    for (const { socket } of this.#clients.values()) socket.close();
  }

  /** How long to wait at the most. Hangs up on those whose time is over. */
  #waitMs(): number | null {
    const pauseMs = this.#accepting && !logsWait() ? null : ACCEPT_PAUSE_MS;
    const nowMs = nativeSys().monotonicMs();
    for (const client of this.#lingering) {
      const leftMs = client.lingersUntilMs - nowMs;
      if (leftMs > 0) return Math.min(leftMs, pauseMs ?? leftMs);
      this.#hangUp(client);
    }
    return pauseMs;
  }

  ready(token: number): void {
    const client = this.#clients.get(token);
    if (token === KEYBOARD) this.#readKeyboard();
    else if (client !== undefined) this.#serve(client);
    else this.#accept();
  }

  #watchKeyboard(): void {
    try {
      this.#poller.register(KEYBOARD, Interest.read, KEYBOARD);
    } catch (error) {
      if (!(error instanceof SysError) || error.code !== 'EPERM') throw error;
      // epoll does not take a plain file or /dev/null: it would always be ready.
      while (this.#readKeyboard());
    }
  }

  /** Reads what was typed. Returns whether there may be more. */
  #readKeyboard(): boolean {
    const more = this.#keyboard.read();
    if (this.#keyboard.ended) this.#poller.deregister(KEYBOARD);
    return more;
  }

  #accept(): void {
    let socket: Socket;
    try {
      [socket] = this.#listener.accept();
    } catch (error) {
      this.#acceptFailed(error);
      return;
    }
    this.#requests += 1;
    const input = new LineBuffer(LINE_BYTES_MAX);
    const client: Client = { socket, input, echo: null, sent: 0, lingersUntilMs: 0 };
    const fd = socket.fileno();
    try {
      socket.setBlocking(false);
      this.#poller.register(fd, Interest.read, fd);
    } catch (error) {
      // select cannot hold every descriptor; the others run out of memory at the most.
      socket.close();
      if (!(error instanceof RangeError || error instanceof SysError)) throw error;
      printError(`ERROR, ${error.message}`);
      return;
    }
    this.#clients.set(fd, client);
  }

  #acceptFailed(error: unknown): void {
    if (!(error instanceof SysError)) throw error;
    // Somebody else was faster, or the client has gone.
    const kind = acceptErrorKind(error.code);
    if (kind === 'passing') return;
    if (kind === 'final') throw new Failed(`ERROR on accept: ${error.reason}`);
    printError(`ERROR on accept: ${error.reason}`);
    // The connection stays in the queue, so the listener stays ready: look away for a moment.
    this.#setAccepting(false);
  }

  #setAccepting(accepting: boolean): void {
    const fd = this.#listener.fileno();
    this.#accepting = accepting;
    this.#poller.modify(fd, accepting ? Interest.read : Interest.none, fd);
  }

  #serve(client: Client): void {
    try {
      if (client.lingersUntilMs > 0) {
        if (client.socket.recv(discarded) === 0) this.#hangUp(client);
        return;
      }
      if (client.echo === null) this.#receive(client);
      if (client.echo !== null) this.#send(client, client.echo);
    } catch (error) {
      if (isUnready(error)) return;
      this.#hangUp(client);
      // It has reset the connection behind its echo.
      if (client.lingersUntilMs > 0 && error instanceof SysError) return;
      if (!(error instanceof Failed)) throw error;
      error.print();
    }
  }

  #receive(client: Client): void {
    const { input, socket } = client;
    input.reserve(CHUNK_BYTES);
    const length = transfer('ERROR reading from socket', () =>
      socket.recv(input.bytes, input.end, CHUNK_BYTES),
    );
    input.commit(length);
    const echo = length === 0 ? input.takeRest() : input.takeLine();
    if (echo !== null) {
      this.#answer(client, echo);
    } else if (input.overlong) {
      throw new Failed(`ERROR, a line of more than ${LINE_BYTES_MAX} bytes`);
    } else {
      this.#silence.heard(client);
    }
  }

  /** Nothing more is read of it, and a long line goes out in several steps. */
  #answer(client: Client, echo: Uint8Array): void {
    client.echo = echo;
    this.#silence.forget(client);
    this.#poller.modify(client.socket.fileno(), Interest.write, client.socket.fileno());
  }

  #send(client: Client, echo: Uint8Array): void {
    const { socket, sent } = client;
    if (sent < echo.length) {
      client.sent += transfer('ERROR writing to socket', () => socket.send(echo, sent));
    }
    if (client.sent === echo.length) this.#linger(client);
  }

  /** close(2) with input unread would send a reset, which may destroy the echo. */
  #linger(client: Client): void {
    const { socket } = client;
    client.lingersUntilMs = nativeSys().monotonicMs() + LINGER_MS;
    this.#lingering.add(client);
    this.#poller.modify(socket.fileno(), Interest.read, socket.fileno());
    socket.shutdown('write');
  }

  #hangUp(client: Client): void {
    const { socket } = client;
    this.#silence.forget(client);
    this.#lingering.delete(client);
    this.#poller.deregister(socket.fileno());
    this.#clients.delete(socket.fileno());
    socket.close();
  }
}

/** There is nothing to do after all: legal for every poller, and no failure. */
function isUnready(error: unknown): boolean {
  return error instanceof SysError && error.code === 'EAGAIN';
}

/** Runs a transfer. What it throws is a failed step, except for "not now". */
function transfer(label: string, call: () => number): number {
  try {
    return call();
  } catch (error) {
    if (isUnready(error)) throw error;
    return step(label, () => {
      throw error;
    });
  }
}
