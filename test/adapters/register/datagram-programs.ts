/** Programs of packages that use node:dgram, and know nothing of sockloop. */

import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '#test/harness/programs.js';

/** Asks its own name of a group on the loopback interface, and answers. */
const MULTICAST = `import dgram from 'node:dgram';
import { once } from 'node:events';
import multicast from 'multicast-dns';

const probe = dgram.createSocket('udp4').bind(0);
await once(probe, 'listening');
const { port } = probe.address();
probe.close();
await once(probe, 'close');
const options = { port, bind: '0.0.0.0', interface: '127.0.0.1', ttl: 1 };
const [asking, answering] = [multicast(options), multicast(options)];
for (const one of [asking, answering]) one.on('error', (error) => console.log(error.code));
answering.on('query', ({ questions: [{ name, type }] }, { address }) => {
  console.log('asked', name, type, address);
  answering.respond([{ name, type, ttl: 120, data: '192.0.2.7' }]);
});
await Promise.all([asking, answering].map((one) => once(one, 'ready')));
asking.query([{ name: 'printer.local', type: 'A' }]);
const [{ answers: [{ name, data }] }] = await once(asking, 'response');
console.log(name, data);
await Promise.all([asking, answering].map((one) => new Promise((over) => one.destroy(over))));
console.log('over');
`;

/** A server and clients of DNS: the one extends Socket, the others make one by `new`. */
const NAMES = `import { once } from 'node:events';
import dns2 from 'dns2';

const { Packet, UDPClient, TCPClient } = dns2;
const server = dns2.createServer({
  udp: true,
  tcp: true,
  handle(request, send) {
    const response = Packet.createResponseFromRequest(request);
    const [{ name }] = request.questions;
    const count = name.startsWith('many') ? 60 : 1;
    for (let index = 0; index < count; index++) {
      response.answers.push({ name, type: Packet.TYPE.A, class: Packet.CLASS.IN, ttl: 9,
        address: '192.0.2.' + index });
    }
    send(response);
  },
});
const places = await server.listen({
  udp: { port: 0, address: '127.0.0.1' },
  tcp: { port: 0, address: '127.0.0.1' },
});
const ask = UDPClient({ dns: '127.0.0.1', port: places.udp.port, retryOverTCP: false });
const found = await Promise.all(Array.from({ length: 200 }, (_, index) => ask('name' + index)));
console.log(found.every(({ answers: [{ name, address }] }, index) =>
  name === 'name' + index && address === '192.0.2.0'));
const cut = await ask('many');
console.log('cut', cut.header.tc, cut.answers.length);
const whole = await TCPClient({ dns: '127.0.0.1', port: places.tcp.port })('many');
console.log('whole', whole.header.tc, whole.answers.length);
const nobody = UDPClient({ dns: '127.0.0.1', port: 9, timeout: 100 });
await nobody('name').catch(({ code }) => console.log(code));
await server.close();
console.log('over');
`;

const PROGRAMS: Readonly<Record<string, string>> = {
  'multicast.mjs': MULTICAST,
  'dns.mjs': NAMES,
};

/** The packages, and what they use. */
const PACKAGES = ['@leichtgewicht', 'dns-packet', 'dns2', 'multicast-dns', 'thunky'];

/** Adds the programs to the folder of `programsFolder`. */
export function addDatagramPrograms(folder: string): void {
  for (const [path, text] of Object.entries(PROGRAMS)) writeFileSync(join(folder, path), text);
  for (const name of PACKAGES) {
    symlinkSync(`${root}node_modules/${name}`, join(folder, 'node_modules', name));
  }
}
