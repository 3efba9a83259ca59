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
// for every client and for the keyboard. A silent client does not delay the others.

/** A connection: receives a line, then sends it back. */
interface Client {
  readonly socket: Socket;
  readonly input: LineBuffer;
  /** The line, once it is complete. */
  echo: Uint8Array | null;
  sent: number;
  /** The end of its lingering close, behind the echo. */
  lingersUntilMs: number;
}

/** Receives discarded input. */
const discarded = new Uint8Array(CHUNK_BYTES);

/** Serves a listener and the keyboard until `q` is typed. */
export class LoopServer implements ReadySink {
  readonly #poller: Poller;
  readonly #listener: Socket;
  /** Clients by descriptor, which is also the token. */
  readonly #clients = new Map<number, Client>();
  /** Clients with their echo that have not ended their side, ordered by deadline. */
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

  /** The longest wait. Closes clients past their deadline. */
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
      // epoll refuses a plain file and /dev/null, which are always ready.
      while (this.#readKeyboard());
    }
  }

  /** Reads the keyboard. Returns true if there may be more. */
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
      // select cannot hold every descriptor; the others fail only for lack of memory.
      socket.close();
      if (!(error instanceof RangeError || error instanceof SysError)) throw error;
      printError(`ERROR, ${error.message}`);
      return;
    }
    this.#clients.set(fd, client);
  }

  #acceptFailed(error: unknown): void {
    if (!(error instanceof SysError)) throw error;
    // The client has gone.
    const kind = acceptErrorKind(error.code);
    if (kind === 'passing') return;
    if (kind === 'final') throw new Failed(`ERROR on accept: ${error.reason}`);
    printError(`ERROR on accept: ${error.reason}`);
    // The connection stays queued and the listener ready: pause.
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
      // The client has reset the connection behind its echo.
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

  /** Stops reading; a long line takes several sends. */
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

  /** Lingers: close(2) with unread input sends a reset, which may destroy the echo. */
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

/** A spurious readiness report, which every poller may give. */
function isUnready(error: unknown): boolean {
  return error instanceof SysError && error.code === 'EAGAIN';
}

/** Runs a transfer. Its errors are failed steps, except EAGAIN. */
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
