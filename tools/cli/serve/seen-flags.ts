import type { Command } from 'commander';
import type { ServerLoop } from '../../echo/servers.ts';
import type { MetricsEndpoint } from '../../metrics/http-server.ts';
import { UsageError } from '../../terminal/exit.ts';
import { parsePort } from '../../terminal/flags.ts';

/** The flags of `serve` for those who look at it from outside. */
export interface SeenFlags {
  readonly verbose?: true;
  readonly json?: true;
  readonly logFormat?: string;
  readonly metrics?: string;
}

/** What is told of a server, and where. */
export interface SeenPlan {
  /** `verbose`: lines for people; `text`: a line of fields for each end; `json`: documents. */
  readonly log: 'failures' | 'verbose' | 'text' | 'json';
  readonly metrics: MetricsEndpoint | null;
}

const LOOPBACK = '127.0.0.1';

/** Adds the flags to `serve`. */
export function addSeenFlags(command: Command): Command {
  return command
    .option('--verbose', 'print a line for each connection')
    .option('--json', 'print one JSON document per event on standard output')
    .option(
      '--log-format <format>',
      'how each connection went: text, a line of fields; json, --json',
    )
    .option('--metrics <address>', 'serve /metrics, /healthz and /readyz on PORT or HOST:PORT');
}

/** Throws a UsageError for a wrong value, or one that the loop cannot serve. */
export function seenPlanOf(flags: SeenFlags, loop: ServerLoop): SeenPlan {
  return { log: logOf(flags), metrics: metricsOf(flags.metrics, loop) };
}

function logOf({ verbose, json, logFormat }: SeenFlags): SeenPlan['log'] {
  if (logFormat !== undefined && logFormat !== 'json' && logFormat !== 'text') {
    throw new UsageError(`--log-format takes text or json, not "${logFormat}"`);
  }
  if (json === true && logFormat === 'text') {
    throw new UsageError('--json is --log-format json: leave out one of the two');
  }
  if (json === true || logFormat === 'json') return 'json';
  return logFormat ?? (verbose === true ? 'verbose' : 'failures');
}

function metricsOf(text: string | undefined, loop: ServerLoop): MetricsEndpoint | null {
  if (text === undefined) return null;
  if (loop === 'blocking') {
    throw new UsageError(
      '--metrics takes a thread that answers: --loop blocking has one, and blocks it',
    );
  }
  return parseMetricsEndpoint(text, '--metrics');
}

/** `9090`, `0.0.0.0:9090`, `localhost:9090`, `[::1]:9090`. Throws a UsageError. */
export function parseMetricsEndpoint(text: string, what: string): MetricsEndpoint {
  const [, inBrackets, name, port] = /^(?:\[([^\]]+)\]:|([^:[\]]+):)?(\d+)$/.exec(text) ?? [];
  if (port === undefined) {
    throw new UsageError(`${what} takes PORT, HOST:PORT or [IPv6]:PORT, not "${text}"`);
  }
  return { host: inBrackets ?? name ?? LOOPBACK, port: parsePort(port, 0, what) };
}
