import type { ServiceThread } from 'sockloop/workers';

// A worker may: its thread ends, and the process goes on.
const endThread: (status: number) => void = process['exit'];

/** What a test asks a thread of the echo service to do. */
export type Order = 'throw' | 'exit' | 'spin' | 'allocate' | 'greet' | 'greeted' | 'refuse';

/** An echo that does what its owner posts. */
export function serve(thread: ServiceThread): () => void {
  const messages = thread.counter('messages');
  const listener = thread.listen({
    maxConnections: 100,
    handlers: {
      data: (connection, chunk) => {
        messages.add();
        if (!connection.write(chunk)) connection.pause();
      },
      drain: (connection) => connection.resume(),
    },
  });
  thread.onMessage((message, from) => obey(message as Order, from));

  function obey(order: Order, from: number | null): void {
    switch (order) {
      case 'throw':
        throw new Error('asked to');
      case 'exit':
        endThread(3);
        break;
      case 'spin':
        for (;;);
      case 'allocate':
        for (const all: number[][] = []; ; ) all.push(new Array(1e5).fill(1));
      case 'greet':
        thread.post('greeted', 'others');
        break;
      case 'greeted':
        thread.post(`${thread.index} was greeted by ${from}`);
        break;
      case 'refuse':
        listener.pause();
        break;
    }
  }
  return () => thread.post(`${thread.index} ends`);
}
