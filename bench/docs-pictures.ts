import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { type Browser, chromium } from 'playwright-core';
import type { CompareDocument } from '#tools/compare/document.js';
import type { LoadDocument } from '#tools/load/document.js';
import { compareReport } from '#tools/report/html/compare/report.js';
import { loadReport } from '#tools/report/html/load/report.js';
import { chromiumPath } from './chromium.ts';

// The pictures of the reports in docs/pictures, from documents that are given or made by two short
// runs. See `make docs-pictures`.
//
//   node build/bench/docs-pictures.js [--load FILE.json] [--compare FILE.json] [--out-dir DIR]

const CLI = fileURLToPath(new URL('../../dist/tools/cli/main.js', import.meta.url));
const WIDTH_PX = 1200;
const BYTES_MAX = 200_000;
const RUN_MS = 300_000;
const START_MS = 10_000;
const OUTPUT_BYTES_MAX = 2 ** 26;

/** Twelve seconds at a rate that any machine keeps up with. */
const LOAD_WORDS = ['--rate', '8000', '--arrivals', 'poisson', '--duration', '12', '--json'];
const COMPARE_WORDS = ['compare', '--json'];

interface Shot {
  readonly file: string;
  readonly html: string;
  /** The sections that are shown, by the ids of their headings; the others are too much. */
  readonly sections: readonly string[];
}

/** A server of our own, for as long as `use` takes. */
async function withServer<T>(use: (port: string) => Promise<T>): Promise<T> {
  const words = [CLI, 'serve', '--port', '0', '--json'];
  const server = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => server.on('close', () => resolve()));
  const lines = createInterface({ input: server.stdout, signal: AbortSignal.timeout(START_MS) });
  try {
    let port: string | undefined;
    for await (const line of lines) {
      port = /"port":(\d+)/.exec(line)?.[1];
      if (port !== undefined) break;
    }
    if (port === undefined) throw new Error('sockloop serve did not say where it listens');
    return await use(port);
  } finally {
    server.kill('SIGTERM');
    await ended;
  }
}

/** What the command printed; it may end with 1 because of what it found, and still print it. */
async function printed<T>(words: readonly string[]): Promise<T> {
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [CLI, ...words], {
    timeout: RUN_MS,
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  return JSON.parse(stdout) as T;
}

function read<T>(file: string): T {
  return JSON.parse(readFileSync(file, 'utf8')) as T;
}

/** PNG of the page, light, with only the sections that are asked for. */
async function shoot(browser: Browser, { html, sections }: Shot): Promise<Buffer> {
  const page = await browser.newPage({
    viewport: { width: WIDTH_PX, height: 800 },
    colorScheme: 'light',
  });
  await page.setContent(html);
  const shown = sections.map((id) => `section:has(#${id}-heading)`).join(', ');
  await page.addStyleTag({
    content: `main > section:not(.verdict), details, .readout, footer { display: none !important; }
      ${shown} { display: block !important; margin-top: 3rem; }
      main { padding-block: 3rem; }`,
  });
  const png = await page.screenshot({ fullPage: true });
  await page.close();
  return png;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      load: { type: 'string' },
      compare: { type: 'string' },
      'out-dir': { type: 'string', default: 'docs/pictures' },
    },
  });
  const executablePath = chromiumPath();
  if (executablePath === undefined) {
    throw new Error('no Chromium on the PATH: install it, or name one with CHROMIUM=/path/to/it');
  }
  const load =
    values.load === undefined
      ? await withServer((port) =>
          printed<LoadDocument>(['load', '127.0.0.1', port, ...LOAD_WORDS]),
        )
      : read<LoadDocument>(values.load);
  if (!load.verdict.valid) {
    console.error(`the load run is INVALID, and its picture says so: ${load.verdict.reasons[0]}`);
  }
  const compare =
    values.compare === undefined
      ? await printed<CompareDocument>(COMPARE_WORDS)
      : read<CompareDocument>(values.compare);
  const shots = [
    {
      file: 'report-load.png',
      html: loadReport(load),
      sections: ['percentiles', 'heat'],
    },
    { file: 'report-compare.png', html: compareReport(compare), sections: ['cpu', 'curve'] },
  ];
  mkdirSync(values['out-dir'], { recursive: true });
  const browser = await chromium.launch({ executablePath });
  try {
    for (const shot of shots) {
      const path = join(values['out-dir'], shot.file);
      const png = await shoot(browser, shot);
      if (png.length > BYTES_MAX) {
        throw new Error(`${path} would have ${png.length} bytes of at most ${BYTES_MAX}`);
      }
      writeFileSync(path, png);
      console.log(`${path}: ${png.length} bytes`);
    }
  } finally {
    await browser.close();
  }
}

main().catch((error: unknown) => {
  console.error(`docs-pictures: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
});
