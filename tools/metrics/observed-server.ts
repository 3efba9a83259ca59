import type { OpenServer } from '../echo/servers.ts';
import { ownProcessUse } from '../measure/own-process.ts';
import { sockloopVersion } from '../measure/versions.ts';
import type { Observed } from './http-server.ts';
import { serverMetrics } from './server-metrics.ts';

/** An event server as the metrics show it. */
export function observedServer(server: OpenServer, mode: string): Observed {
  const version = sockloopVersion();
  return {
    page: async (draining) => {
      const threads = (await server.figures?.()) ?? [];
      return serverMetrics(
        { version, loop: server.loop, mode, draining, threads },
        ownProcessUse(),
      );
    },
  };
}
