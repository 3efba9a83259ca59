import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { EXIT, report } from './exit.ts';
import { printError, printOut } from './output.ts';

// `make demo`: the server and the client of this package, each in its own process, with every
// system call shown as it is made.

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));
const MESSAGES = ['hello', 'the same bytes come back: gr\u00fc\u00dfe'];

/** Far more than the demo takes; something is wrong when it is over. */
const DEMO_MS_MAX = 20_000;

const color = process.stdout.isTTY && process.env['NO_COLOR'] === undefined;
const paint = (code: number, text: string): string =>
  color ? `\u001b[${code}m${text}\u001b[0m` : text;
const BOLD = 1;
const DIM = 2;
const GREEN = 32;
const BLUE = 34;
const CYAN = 36;

/** A process of the demo whose lines are shown behind its name. */
class Shown {
  readonly child: ChildProcess;
  /** What it printed on standard output. */
  readonly lines: string[] = [];
  readonly exit: Promise<unknown>;
  readonly #label: string;

  constructor(label: string, words: readonly string[]) {
    this.#label = label;
    printOut(paint(BOLD, `$ sockloop ${words.map(quoted).join(' ')}`));
    this.child = spawn(process.execPath, [MAIN, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: DEMO_MS_MAX,
    });
    this.exit = once(this.child, 'close');
    this.#show(this.child.stderr, (line) => paint(DIM, line));
    this.#show(this.child.stdout, (line) => {
      this.lines.push(line);
      return paint(GREEN, line);
    });
  }

  #show(stream: Readable | null, styled: (line: string) => string): void {
    if (stream === null) return;
    const prefix = paint(this.#label === 'server' ? BLUE : CYAN, `${this.#label} |`);
    createInterface({ input: stream }).on('line', (line) => printOut(`${prefix} ${styled(line)}`));
  }

  /** Waits for the first line on standard output. */
  async firstLine(): Promise<string> {
    while (this.lines.length === 0) {
      const { exitCode, signalCode } = this.child;
      if (exitCode !== null || signalCode !== null) {
        throw new Error(`the ${this.#label} ended too soon: ${signalCode ?? `status ${exitCode}`}`);
      }
      await Promise.race([this.exit, new Promise((resolve) => setTimeout(resolve, 10))]);
    }
    return this.lines[0] ?? '';
  }
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word}'`;
}

async function demo(): Promise<boolean> {
  printOut('A line goes out over real sockets and comes back. Every system call is shown.\n');
  const server = new Shown('server', ['serve', '--port', '0', '--mode', 'line', '--trace']);
  try {
    const port = /:(\d+) /.exec(await server.firstLine())?.[1];
    if (port === undefined) throw new Error('the server did not say where it listens');
    printOut('');
    const client = new Shown('client', ['send', '--trace', '127.0.0.1', port, ...MESSAGES]);
    await client.exit;
    server.child.kill('SIGTERM');
    await server.exit;
    const whole = client.lines.join('\n') === MESSAGES.join('\n');
    return whole && client.child.exitCode === 0 && server.child.exitCode === 0;
  } finally {
    server.child.kill('SIGKILL');
  }
}

/** Shows it all and returns the exit status. */
async function main(): Promise<number> {
  if (!(await demo())) {
    printError('\nThe demo failed: what came back is not what went out.');
    return EXIT.failed;
  }
  const count = MESSAGES.length;
  printOut(`\n${count} lines went out, the same ${count} came back, and both ends closed.`);
  printOut('Try it yourself, each line in a terminal of its own:');
  printOut('  node dist/cli/main.js serve');
  printOut('  node dist/cli/main.js send 127.0.0.1 7007 hello');
  return EXIT.done;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = report('demo', error);
}
