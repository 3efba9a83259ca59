import { commandWords, listeningPorts } from '../../measure/listening-ports.ts';
import { ExpectedError, UsageError } from '../../terminal/exit.ts';
import { parseMetricsEndpoint } from '../serve/seen-flags.ts';
import { scrape } from './scrape.ts';

const START = 'start one with: sockloop serve --metrics 9090';
const PROBE_MS = 1000;

/** The page of `--metrics`: a URL, PORT or HOST:PORT. Throws a UsageError. */
export function metricsUrl(text: string): string {
  if (/^https?:\/\//.test(text)) {
    const url = URL.canParse(text) ? new URL(text) : null;
    if (url === null) throw new UsageError(`--metrics takes a URL or HOST:PORT, not "${text}"`);
    if (url.pathname === '/') url.pathname = '/metrics';
    return url.href;
  }
  const { host, port } = parseMetricsEndpoint(text, '--metrics');
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}/metrics`;
}

/** The page of the process `pid`. Rejects with an ExpectedError if it has none. */
export async function metricsUrlOf(pid: number): Promise<string> {
  const words = commandWords(pid);
  if (words === null) {
    const why = `there is no process ${pid}, or no /proc that tells of it`;
    throw new ExpectedError(`cannot look at process ${pid}: ${why}; --metrics URL needs none`);
  }
  const flag = flagIn(words);
  if (flag === null) {
    throw new ExpectedError(`process ${pid} serves no metrics; ${START}`);
  }
  const { host, port } = parseMetricsEndpoint(flag, '--metrics');
  const local = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  if (port !== 0)
    return metricsUrl(local.includes(':') ? `[${local}]:${port}` : `${local}:${port}`);
  for (const candidate of listeningPorts(pid)) {
    const url = metricsUrl(
      local.includes(':') ? `[${local}]:${candidate}` : `${local}:${candidate}`,
    );
    // Its other ports are those of other servers, which do not answer so.
    const isPage = await scrape(url, PROBE_MS).then(
      () => true,
      () => false,
    );
    if (isPage) return url;
  }
  throw new ExpectedError(`no port of process ${pid} answers with metrics; ${START}`);
}

/** The value of `--metrics` in a command line; null without one. */
function flagIn(words: readonly string[]): string | null {
  for (const [index, word] of words.entries()) {
    if (word === '--metrics') return words[index + 1] ?? null;
    if (word.startsWith('--metrics=')) return word.slice('--metrics='.length);
  }
  return null;
}
