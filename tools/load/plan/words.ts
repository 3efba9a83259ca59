import type { Endpoint } from 'sockloop/socket';

/** `127.0.0.1:7007`, `[::1]:7007`, `/run/echo.sock`, `@name`. */
export function formatEndpoint(endpoint: Endpoint): string {
  if ('path' in endpoint) return endpoint.path.replace(/^\0/, '@');
  const host = endpoint.host ?? 'localhost';
  return `${host.includes(':') ? `[${host}]` : host}:${endpoint.port}`;
}

/** A time in seconds, to the millisecond: `0.5 s`, `3,600 s`. */
export function formatSeconds(ms: number): string {
  return `${(ms / 1000).toLocaleString('en-US', { maximumFractionDigits: 3 })} s`;
}
