import assert from 'node:assert/strict';
import { encodeProxyHeader, type ProxyHeaderOptions } from '#src/framing/proxy-encoder.js';
import type { ProxyProtocolSettings } from '#src/net/guards/proxy-phase.js';
import type { RefusalKind } from '#src/net/guards/refusals.js';
import type { Connection } from '#src/net/stream/connection.js';
import type { Listener } from '#src/net/stream/listener.js';
import { type Case, inEnvironment } from '../case.ts';
import { type Environment, portOf, turnOn, until } from '../environment.ts';

// The PROXY protocol: clients behind a trusted proxy, and those who only say so.

interface Proxied {
  readonly listener: Listener;
  readonly opened: Connection[];
  closed: number;
  text: string;
}

const TRUSTED: ProxyProtocolSettings = { from: ['127.0.0.1'] };

const SOURCE = { family: 'IPv4', address: '192.0.2.1', port: 4711 } as const;
const DESTINATION = { family: 'IPv4', address: '192.0.2.9', port: 443 } as const;

function serve(
  { loop }: Environment,
  proxyProtocol: ProxyProtocolSettings,
  more: object = {},
  opened: (connection: Connection) => void = () => undefined,
): Proxied {
  const proxied: Proxied = {
    opened: [],
    closed: 0,
    text: '',
    listener: loop.listen({
      host: '127.0.0.1',
      port: 0,
      proxyProtocol,
      ...more,
      handlers: {
        open: (connection) => {
          proxied.opened.push(connection);
          opened(connection);
        },
        data: (_, chunk) => {
          proxied.text += Buffer.from(chunk).toString('latin1');
        },
        close: () => {
          proxied.closed += 1;
        },
      },
    }),
  };
  return proxied;
}

/** Connects a client that sends each of `pieces` once the one before has had time to arrive. */
function send(
  environment: Environment,
  listener: Listener,
  pieces: readonly (string | Uint8Array)[],
  proxyProtocol?: ProxyHeaderOptions,
): { connection: Connection | null; closed: boolean } {
  const client = { connection: null as Connection | null, closed: false };
  environment.loop.connect({
    host: '127.0.0.1',
    port: portOf(listener),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
    handlers: {
      open: (connection) => {
        client.connection = connection;
      },
      close: () => {
        client.closed = true;
      },
    },
    onError: () => {
      client.closed = true;
    },
  });
  until(environment, () => client.connection !== null || client.closed, 'it is connected');
  for (const piece of pieces) {
    client.connection?.write(piece);
    turnOn(environment, 2);
  }
  return client;
}

function finish(environment: Environment, { listener, opened }: Proxied): void {
  listener.close();
  for (const connection of opened) connection.close();
  until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
}

/** A client that is refused for what it sends. */
function refused(
  name: string,
  kind: RefusalKind,
  pieces: readonly (string | Uint8Array)[],
  settings: ProxyProtocolSettings = TRUSTED,
  ends = false,
): Case {
  return {
    name: `proxy: ${name}`,
    laws: [],
    run: inEnvironment((environment) => {
      const proxied = serve(environment, settings);
      const client = send(environment, proxied.listener, pieces);
      if (ends && client.connection?.isOpen) client.connection.end();
      until(environment, () => client.closed, 'the client is turned away');
      assert.equal(proxied.listener.stats.refused[kind], 1);
      assert.equal(proxied.listener.stats.accepted, 0);
      assert.equal(proxied.opened.length + proxied.closed, 0, 'the program hears nothing');
      finish(environment, proxied);
    }),
  };
}

const HEADER = encodeProxyHeader({
  source: SOURCE,
  destination: DESTINATION,
  tlvs: [{ type: 0xe1, value: new Uint8Array([1, 2]) }],
});

const LONG = new Uint8Array(10_240).fill(0x61);

export const proxyCases: readonly Case[] = [
  {
    name: 'proxy: the header of a connection says who the client is, and the program gets the rest',
    laws: [5],
    run: inEnvironment((environment) => {
      const proxied = serve(environment, TRUSTED);
      const both = Buffer.concat([HEADER, Buffer.from('hello')]);
      const client = send(environment, proxied.listener, [both]);
      until(environment, () => proxied.text === 'hello', 'the client is heard');
      const [connection] = proxied.opened;
      assert.deepEqual(connection?.remoteAddress, SOURCE);
      assert.deepEqual(connection.localAddress, DESTINATION);
      assert.equal(connection.proxy?.command, 'PROXY');
      assert.equal(connection.proxy.tlvs[0]?.type, 0xe1);
      assert.equal(connection.bytesReceived, 5);
      client.connection?.close();
      until(environment, () => proxied.closed === 1, 'it has gone');
      finish(environment, proxied);
    }),
  },
  {
    name: 'proxy: a header that comes in pieces, of both versions',
    laws: [5],
    run: inEnvironment((environment) => {
      const proxied = serve(environment, TRUSTED);
      const version1 = encodeProxyHeader({ version: 1, source: SOURCE, destination: DESTINATION });
      for (const header of [HEADER, version1]) {
        const bytes = [...header].map((byte) => Uint8Array.of(byte));
        const half = header.length >> 1;
        const rest = Buffer.concat([header.subarray(half), Buffer.from('hel')]);
        for (const pieces of [
          [...bytes, 'hel', 'lo'],
          [header.subarray(0, half), rest, 'lo'],
        ]) {
          proxied.text = '';
          const client = send(environment, proxied.listener, pieces);
          until(environment, () => proxied.text === 'hello', 'the client is heard');
          assert.deepEqual(proxied.opened.at(-1)?.remoteAddress, SOURCE);
          client.connection?.close();
        }
      }
      until(environment, () => proxied.closed === 4, 'all have gone');
      finish(environment, proxied);
    }),
  },
  {
    name: 'proxy: connect() begins with a header, and one without addresses is the proxy itself',
    laws: [],
    run: inEnvironment((environment) => {
      const proxied = serve(environment, TRUSTED);
      const ends = { source: SOURCE, destination: DESTINATION };
      send(environment, proxied.listener, ['a'], { ...ends, checksum: true });
      until(environment, () => proxied.text === 'a', 'the client is heard');
      send(environment, proxied.listener, ['b'], {});
      until(environment, () => proxied.text === 'ab', 'the proxy is heard');
      assert.equal(proxied.opened[0]?.proxy?.source?.family, 'IPv4');
      const own = proxied.opened[1]?.remoteAddress;
      assert.equal(own?.family === 'IPv4' && own.address, '127.0.0.1');
      assert.equal(proxied.opened[1]?.proxy?.command, 'LOCAL');
      proxied.listener.close();
      for (const connection of proxied.opened) connection.reset();
      until(environment, () => environment.openDescriptors() === 0, 'everything is closed');
    }),
  },
  {
    name: 'proxy: a program that pauses in open() gets what came with the header after resume()',
    laws: [5],
    run: inEnvironment((environment) => {
      const proxied = serve(environment, TRUSTED, {}, (connection) => connection.pause());
      const both = Buffer.concat([HEADER, Buffer.from('hello')]);
      const client = send(environment, proxied.listener, [both, ' again']);
      until(environment, () => proxied.opened.length === 1, 'it is open');
      turnOn(environment, 10);
      assert.equal(proxied.text, '');
      proxied.opened[0]?.resume();
      assert.equal(proxied.text, '', 'not inside of resume()');
      until(environment, () => proxied.text === 'hello again', 'all of it is there');
      client.connection?.close();
      until(environment, () => proxied.closed === 1, 'it has gone');
      finish(environment, proxied);
    }),
  },
  {
    name: 'proxy: lists and limits of addresses go by the header',
    laws: [],
    run: inEnvironment((environment) => {
      const guards = { deny: ['192.0.2.128/25'], connectionsPerAddressMax: 1 };
      const proxied = serve(environment, TRUSTED, { guards });
      const join = (address: string): ReturnType<typeof send> =>
        send(environment, proxied.listener, ['x'], {
          source: { ...SOURCE, address },
          destination: DESTINATION,
        });
      const { refused: counts } = proxied.listener.stats;
      const clients = [join('192.0.2.1')];
      until(environment, () => proxied.opened.length === 1, 'the first is open');
      clients.push(join('192.0.2.1'));
      until(environment, () => counts.perAddress === 1, 'one more of it is refused');
      clients.push(join('192.0.2.200'));
      until(environment, () => counts.denied === 1, 'a denied one is refused');
      clients.push(join('192.0.2.2'));
      until(environment, () => proxied.opened.length === 2, 'another one is open');
      for (const { connection } of clients) connection?.close();
      finish(environment, proxied);
    }),
  },
  {
    name: 'proxy: not required, a client without a header is served, and its bytes are data',
    laws: [5],
    run: inEnvironment((environment) => {
      const settings = { ...TRUSTED, required: false };
      const proxied = serve(environment, settings);
      const client = send(environment, proxied.listener, ['PRO', 'GRESS']);
      until(environment, () => proxied.text === 'PROGRESS', 'all of its bytes are there');
      assert.equal(proxied.opened[0]?.proxy, null);
      assert.equal(proxied.opened[0]?.bytesReceived, 8);
      client.connection?.close();
      until(environment, () => proxied.closed === 1, 'it has gone');
      finish(environment, proxied);
    }),
  },
  {
    name: 'proxy: not required, a header from elsewhere is data, and the address is its own',
    laws: [5],
    run: inEnvironment((environment) => {
      const proxied = serve(environment, { from: ['192.0.2.0/24'], required: false });
      const line = 'PROXY TCP4 192.0.2.1 192.0.2.9 1 2\r\n';
      const client = send(environment, proxied.listener, [line]);
      until(environment, () => proxied.text === line, 'its bytes are there');
      const own = proxied.opened[0]?.remoteAddress;
      assert.equal(own?.family === 'IPv4' && own.address, '127.0.0.1');
      client.connection?.close();
      until(environment, () => proxied.closed === 1, 'it has gone');
      finish(environment, proxied);
    }),
  },
  {
    name: 'proxy: the idle timeout of the listener holds behind the header',
    laws: [],
    run: inEnvironment((environment) => {
      const proxied = serve(environment, TRUSTED, { idleTimeoutMs: 100 });
      const client = send(environment, proxied.listener, [HEADER, 'x']);
      until(environment, () => client.closed, 'it is closed');
      assert.equal(proxied.text, 'x');
      assert.equal(proxied.closed, 1);
      assert.equal(proxied.listener.stats.refused.idle, 1);
      finish(environment, proxied);
    }),
  },
  {
    name: 'proxy: close() of a listener resets those whose header has not come',
    laws: [6],
    run: inEnvironment((environment) => {
      const proxied = serve(environment, TRUSTED, { maxConnections: 1 });
      const client = send(environment, proxied.listener, [HEADER.subarray(0, 20)]);
      turnOn(environment, 10);
      assert.equal(proxied.listener.connections, 0);
      proxied.listener.close();
      until(environment, () => client.closed, 'the client is reset');
      assert.equal(proxied.opened.length, 0);
      finish(environment, proxied);
    }),
  },
  refused('a header from elsewhere, where one is required', 'proxyUntrusted', [HEADER], {
    from: ['192.0.2.0/24', '::1'],
  }),
  refused('no header, where one is required', 'proxyHeader', ['GET / HTTP/1.1\r\n']),
  refused('a header that breaks the rules', 'proxyHeader', ['PROXY TCP4 1.2.3.4 ', '5 6 7\r\n']),
  refused('a header that is forged behind its checksum', 'proxyHeader', [
    encodeProxyHeader({ source: SOURCE, destination: DESTINATION, checksum: true }).map(
      (byte, at) => (at === 17 ? byte ^ 1 : byte),
    ),
  ]),
  refused('a header of 10 KB', 'proxyHeader', [
    encodeProxyHeader({
      source: SOURCE,
      destination: DESTINATION,
      tlvs: [{ type: 0xe0, value: LONG }],
    }),
  ]),
  refused('a line of 10 KB', 'proxyHeader', ['PROXY TCP4 ', LONG]),
  refused('an end within the header', 'proxyHeader', [HEADER.subarray(0, 27)], TRUSTED, true),
  refused('a header that is not whole in time', 'proxyTimeout', [HEADER.subarray(0, 27)], {
    ...TRUSTED,
    timeoutMs: 100,
  }),
];
