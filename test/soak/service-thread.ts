// What each thread of the service under test does: an echo that counts its bytes, tells its heap,
// and throws when it is asked to, so that another thread takes its place.

import type { ServiceThread } from 'sockloop/workers';
import { heapHere } from './sample.ts';

export function serve(thread: ServiceThread): void {
  const received = thread.counter('received');
  const sent = thread.counter('sent');
  const closed = thread.counter('closed');
  thread.listen({
    handlers: {
      data: (connection, chunk) => {
        if (!connection.write(chunk)) connection.pause();
      },
      drain: (connection) => connection.resume(),
      close: (connection) => {
        received.add(connection.bytesReceived);
        sent.add(connection.bytesSent);
        closed.add();
      },
    },
  });
  thread.onMessage((message) => {
    if (message === 'throw') throw new Error('asked to');
    thread.post(heapHere());
  });
}
