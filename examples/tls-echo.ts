// An echo server over TLS, on the best loop of the machine.
//
//   openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
//     -keyout key.pem -out cert.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost
//   node build/examples/tls-echo.js key.pem cert.pem [PORT]
//
// Try it with: openssl s_client -connect localhost:PORT -CAfile cert.pem

import { readFileSync } from 'node:fs';
import { EventLoop, formatAddress } from 'sockloop';
import { listen } from 'sockloop/tls';

const [, , keyFile = 'key.pem', certFile = 'cert.pem', port = '7443'] = process.argv;

using loop = new EventLoop();
const listener = listen(loop, {
  host: '127.0.0.1',
  port: Number(port),
  tls: { key: readFileSync(keyFile), cert: readFileSync(certFile) },
  handlers: {
    open: (client) => console.log(`${client.protocol}, ${client.cipher?.name}`),
    // What the kernel does not take is queued; a client that does not read is not read from.
    data: (client, chunk) => client.write(chunk) || client.pause(),
    drain: (client) => client.resume(),
    close: (_, error) => console.log(error === null ? 'closed' : error.message),
  },
  onHandshakeError: (error) => console.log(error.message),
});
console.log(`listening on ${formatAddress(listener.address)}`);
// Ctrl-C sends close_notify to every client behind what is queued for it, and ends the program.
process.once('SIGINT', () => void listener.shutdown({ deadlineMs: 1000 }));
await loop.run();
