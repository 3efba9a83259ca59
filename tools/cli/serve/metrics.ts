import type { BesideServer } from '../../echo/restart.ts';
import type { OpenServer } from '../../echo/servers.ts';
import type { MetricsEndpoint } from '../../metrics/http-server.ts';

/** The metrics of a server, as `serve` needs them. */
export interface ServeMetrics extends Disposable, BesideServer {
  readonly url: string;
  /** Shows a server that listens. */
  observe(server: OpenServer, mode: string): void;
  /** The server stops. */
  drain(): void;
}

/** Serves metrics; null for none, which loads nothing. Rejects with an ExpectedError. */
export async function openMetrics(endpoint: MetricsEndpoint | null): Promise<ServeMetrics | null> {
  if (endpoint === null) return null;
  const { MetricsServer } = await import('../../metrics/http-server.ts');
  const { observedServer } = await import('../../metrics/observed-server.ts');
  const metrics = await MetricsServer.open(endpoint);
  return {
    url: metrics.url,
    observe: (server, mode) => metrics.observe(observedServer(server, mode)),
    drain: () => metrics.drain(),
    leave: () => metrics.leave(),
    takeBack: () => metrics.takeBack(),
    [Symbol.dispose]: () => metrics[Symbol.dispose](),
  };
}
