import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Socket } from 'sockloop/socket';
import type { Scope } from '#test/harness/command.js';
import type { Cell } from './cells.ts';

/** The environment of a server that tells a supervisor of itself, as under systemd. */
export function supervisedBy(scope: Scope, { variant }: Cell): NodeJS.ProcessEnv {
  if (variant !== 'NOTIFY_SOCKET') return {};
  const directory = mkdtempSync(join(tmpdir(), 'sockloop-'));
  const path = join(directory, 'notify');
  const socket = new Socket('UNIX', { type: 'SOCK_DGRAM' });
  socket.bind({ path });
  scope.after(() => {
    socket.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { NOTIFY_SOCKET: path };
}
