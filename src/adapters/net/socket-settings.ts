import type { Connection } from '../../net/stream/connection.ts';
import { SysError } from '../../sys/sys-error.ts';

// node:net does not tell of an option that cannot be set: the peer has reset the connection, most
// likely, which the next receive reports.

/** libuv's interval in seconds and number of keep-alive probes. */
const KEEP_ALIVE_INTERVAL_S = 1;
const KEEP_ALIVE_PROBES = 10;

export function setNoDelay(connection: Connection<unknown>, enable: boolean): void {
  if (connection.localAddress?.family === 'UNIX') return;
  ifItCan(() => connection.setSockOpt('TCP_NODELAY', enable));
}

export function setKeepAlive(
  connection: Connection<unknown>,
  enable: boolean,
  initialDelayMs: number,
): void {
  if (connection.localAddress?.family === 'UNIX') return;
  ifItCan(() => {
    connection.setSockOpt('SO_KEEPALIVE', enable);
    const delayS = Math.trunc(initialDelayMs / 1000);
    if (!enable || delayS < 1) return;
    connection.setSockOpt('TCP_KEEPIDLE', delayS);
    connection.setSockOpt('TCP_KEEPINTVL', KEEP_ALIVE_INTERVAL_S);
    connection.setSockOpt('TCP_KEEPCNT', KEEP_ALIVE_PROBES);
  });
}

function ifItCan(set: () => void): void {
  try {
    set();
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
  }
}
