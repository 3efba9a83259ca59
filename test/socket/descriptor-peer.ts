/** The second process of credentials.test.ts: takes a descriptor, and passes one. */

import { receiveDescriptors, Socket, sendDescriptors } from '#src/socket/index.js';

using starter = new Socket('UNIX', { fd: 3 });
const { fds, bytes } = receiveDescriptors(starter, 1);
using passed = new Socket('UNIX', { fd: fds[0] ?? -1 });
passed.sendAll(bytes);
using listener = new Socket('IPv4');
listener.bind({ address: '127.0.0.1', port: 0 });
listener.listen();
sendDescriptors(starter, [listener.fileno()], 'a listener');
