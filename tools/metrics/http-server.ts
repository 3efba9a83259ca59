import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ExpectedError } from '../terminal/exit.ts';
import { CONTENT_TYPE } from './exposition.ts';

/** Where metrics are served. */
export interface MetricsEndpoint {
  readonly host: string;
  readonly port: number;
}

/** A server that is to be observed. */
export interface Observed {
  /** The page at /metrics. */
  page(draining: boolean): Promise<string>;
}

/** A request is complete in this time, and a response taken, or the connection is closed. */
const REQUEST_MS = 5000;
/** Scrapers keep their connection between two scrapes, which are rarely further apart. */
const KEEP_ALIVE_MS = 60_000;
const CONNECTIONS_MAX = 64;

/**
 * Serves /metrics, /healthz and /readyz by node:http, in the main thread, beside the loop. It does
 * not keep the process alive.
 */
export class MetricsServer implements Disposable {
  readonly #server: Server;
  #endpoint: MetricsEndpoint;
  #observed: Observed | null = null;
  #draining = false;
  /** The page that is being made: scrapes at the same time share it. */
  #page: Promise<string> | null = null;

  private constructor(endpoint: MetricsEndpoint) {
    this.#endpoint = endpoint;
    this.#server = createServer(
      {
        headersTimeout: REQUEST_MS,
        requestTimeout: REQUEST_MS,
        connectionsCheckingInterval: REQUEST_MS / 5,
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      (request, response) => void this.#answer(request, response),
    );
    // One that reads nothing holds a page at most, and not for long.
    this.#server.setTimeout(REQUEST_MS);
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Listens. Rejects with an ExpectedError if that fails. */
  static async open(endpoint: MetricsEndpoint): Promise<MetricsServer> {
    const metrics = new MetricsServer(endpoint);
    await metrics.takeBack();
    return metrics;
  }

  /** Stops listening: a process that takes the server's place needs the port. */
  leave(): void {
    this.#server.close();
  }

  /** Listens, at first or again. Rejects with an ExpectedError if that fails. */
  async takeBack(): Promise<void> {
    const server = this.#server;
    const { host, port } = this.#endpoint;
    server.listen({ host, port });
    try {
      await once(server, 'listening');
    } catch (error) {
      throw new ExpectedError(`cannot serve metrics on ${atHost(host, port)}: ${reasonOf(error)}`);
    }
    // A free port that was chosen is asked for again.
    this.#endpoint = { host, port: (server.address() as AddressInfo).port };
    server.unref();
  }

  /** Where it serves: `http://127.0.0.1:9090`. */
  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    return `http://${atHost(address, port)}`;
  }

  /** The server listens from now on. */
  observe(observed: Observed): void {
    this.#observed = observed;
  }

  /** The server accepts no more from now on, and its last connections end. */
  drain(): void {
    this.#draining = true;
  }

  [Symbol.dispose](): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request;
    request.resume();
    if (method !== 'GET' && method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      send(response, 405, `${method} is not served here\n`);
      return;
    }
    switch (url.replace(/\?.*/, '')) {
      case '/metrics':
        await this.#sendPage(response);
        return;
      case '/healthz':
      case '/readyz':
        this.#sendState(response);
        return;
      case '/':
        send(response, 200, '/metrics\n/healthz\n/readyz\n');
        return;
      default:
        send(response, 404, 'here are /metrics, /healthz and /readyz\n');
    }
  }

  #sendState(response: ServerResponse): void {
    if (this.#draining) send(response, 503, 'draining\n');
    else if (this.#observed === null) send(response, 503, 'starting\n');
    else send(response, 200, 'serving\n');
  }

  async #sendPage(response: ServerResponse): Promise<void> {
    if (this.#observed === null) {
      send(response, 503, 'starting\n');
      return;
    }
    this.#page ??= this.#observed.page(this.#draining).finally(() => {
      this.#page = null;
    });
    try {
      send(response, 200, await this.#page, CONTENT_TYPE);
    } catch (error) {
      send(response, 500, `${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
}

function send(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(text) };
  response.writeHead(status, headers).end(text);
}

function atHost(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** `EADDRINUSE (address already in use)` of an error of listen(). */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [, code, why] = /^listen (E[A-Z]+): (.*?)(?: [^ ]*[:.][^ ]*)?$/.exec(error.message) ?? [];
  return code === undefined ? error.message : `${code} (${why})`;
}
