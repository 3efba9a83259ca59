/**
 * What hostile.test.ts does in a network namespace with nothing but a loopback interface of 576
 * bytes: prints one JSON document, by loops.
 */

import { EventLoop, type LoopName } from 'sockloop';
import { backends } from '#src/loop/backends.js';
import { nativeSys } from '#src/sys/native.js';
import { closeAll, recorded, textsOf, until } from './drive.ts';

const sys = nativeSys();
const { AF_INET } = sys.abi.constants;
const SOCK_RAW = 3;
/** Takes whole packets, header and all. */
const IPPROTO_RAW = 255;
const IP_HEADER_BYTES = 20;
const HEADERS_BYTES = IP_HEADER_BYTES + 8;

/** Sends a datagram that claims to come from `from`. */
function forge(from: Endpoint, to: Endpoint, text: string): void {
  const packet = Buffer.alloc(HEADERS_BYTES + text.length);
  // IPv4, a header of five words, UDP. The kernel fills in its checksum; that of UDP may be 0.
  packet.set([0x45, 0, 0, packet.length, 0, 0, 0, 0, 64, 17]);
  packet.set(from.host.split('.').map(Number), 12);
  packet.set(to.host.split('.').map(Number), 16);
  packet.writeUInt16BE(from.port, IP_HEADER_BYTES);
  packet.writeUInt16BE(to.port, IP_HEADER_BYTES + 2);
  packet.writeUInt16BE(8 + text.length, IP_HEADER_BYTES + 4);
  packet.write(text, HEADERS_BYTES);
  const name = Buffer.alloc(16);
  name.writeUInt16LE(AF_INET);
  packet.copy(name, 4, 16, 20);
  const fd = sys.socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  const result = sys.sendto(fd, packet, 0, packet.length, 0, name, name.length);
  sys.close(fd);
  if (result !== packet.length) throw new Error(`a raw socket sent ${result}`);
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Datagrams that are longer than the MTU, which the kernel cuts off no message. */
function longerThanMtu(loop: EventLoop): object {
  const server = recorded(loop, { host: '127.0.0.1', receiveBufferBytes: 1 << 20 });
  const client = recorded(loop);
  const to = server.socket.address;
  for (let sent = 0; sent < 20; sent++) client.socket.send(Buffer.alloc(1200), { to });
  client.socket.send(Buffer.alloc(12_500), { to, segmentSize: 1200 });
  until(loop, () => server.came.length === 31, 'all have come');
  client.socket.sendMany([Buffer.alloc(100), Buffer.alloc(100)], { to });
  until(loop, () => server.came.length === 33, 'those that fit have come');
  const { sent, sendErrors, peerErrors } = client.socket.stats();
  closeAll(loop, server, client);
  const lengths = server.came.map(({ length }) => length);
  return { lengths, sent, sendErrors, peerErrors };
}

/** A group that no interface leads to. */
function withoutRoute(loop: EventLoop): object {
  const socket = recorded(loop, { host: '0.0.0.0' });
  const { port } = socket.socket.address;
  socket.socket.send('x', { to: { host: '239.1.2.3', port: 9 } });
  socket.socket.send('to itself', { to: { host: '127.0.0.1', port } });
  until(loop, () => socket.came.length === 1, 'the other has come');
  let joining = 'no error';
  try {
    socket.socket.joinGroup('239.1.2.3');
  } catch (error) {
    joining = (error as Error).message;
  }
  const { sendErrors, peerErrors } = socket.socket.stats();
  closeAll(loop, socket);
  return { sendErrors, peerErrors, joining };
}

/** Datagrams of forged senders: of port 0 at an echo, of a stranger at a connected socket. */
function forged(loop: EventLoop): object {
  const echo = recorded(loop, {
    host: '127.0.0.1',
    handlers: {
      datagrams: (socket, batch) => {
        for (let index = 0; index < batch.length; index++) {
          socket.send(batch.bytes(index), { to: batch.from(index) });
        }
      },
    },
  });
  const { host, port } = echo.socket.address;
  const client = recorded(loop, { connect: { host, port } });
  forge({ host: '127.0.0.1', port: 0 }, echo.socket.address, 'of port 0');
  forge({ host: '127.0.0.9', port }, client.socket.address, 'of the port of the peer');
  forge({ host, port: port ^ 1 }, client.socket.address, 'of the host of the peer');
  client.socket.send('a question');
  until(loop, () => client.came.length > 0, 'the answer has come');
  const { sendErrors } = echo.socket.stats();
  closeAll(loop, echo, client);
  return { asked: textsOf(echo), sendErrors, answers: textsOf(client), events: echo.events };
}

const steps: Partial<Record<LoopName, object>> = {};
for (const { name, available } of backends) {
  if (available(sys) !== true) continue;
  using loop = new EventLoop({ backend: name });
  steps[name] = {
    longerThanMtu: longerThanMtu(loop),
    withoutRoute: withoutRoute(loop),
    forged: forged(loop),
  };
}
process.stdout.write(JSON.stringify(steps));
