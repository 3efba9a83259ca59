import type { Loop } from '../../loop/loop.ts';
import { prepareInherited } from '../../socket/inherited.ts';
import { publishOpen } from '../diagnostics.ts';
import type { ConnectionSettings } from './connection.ts';
import { ConnectionGroup } from './connection-group.ts';
import { inheritedBy } from './inherited.ts';
import { StreamConnection } from './stream-connection.ts';

/** Makes the connected socket `fd` a connection: `EventLoop.adopt`. Its `open` is not called. */
export function adoptOn<Data>(
  loop: Loop,
  fd: number,
  settings: ConnectionSettings<Data>,
): StreamConnection<Data> {
  const tcp = inheritedBy(loop, fd, 'adopt').family !== 'UNIX';
  const group = new ConnectionGroup(loop, settings, tcp, null);
  group.inherited = true;
  prepareInherited(loop.sys, fd, 'adopt', group.noDelay);
  const connection = new StreamConnection(group, fd, null);
  publishOpen(connection, null);
  return connection;
}
