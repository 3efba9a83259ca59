import { EXIT, report } from '../../terminal/exit.ts';
import { printError, printOut } from '../../terminal/output.ts';
import { BLUE, BOLD, CYAN, DIM, GREEN, paint } from '../../terminal/style.ts';
import { runBelowPidOne } from '../child-command.ts';
import { typed } from '../command-line.ts';
import { runCompare } from './compare.ts';
import { runLoops } from './loops.ts';
import { DemoProcess } from './process.ts';

// `make demo`: a server and a client, each in its own process, with every system call shown; then
// the same clients against each loop, with the calls counted; then `sockloop compare`, which takes
// the flags of the demo.

const MESSAGES = ['hello', 'the same bytes come back: gr\u00fc\u00dfe'];

/** Starts a process whose lines are printed behind `label`. */
function shown(label: string, color: number, words: readonly string[]): DemoProcess {
  printOut(paint(BOLD, typed(words)));
  const prefix = paint(color, `${label} |`);
  return new DemoProcess(label, words, {
    out: (line) => printOut(`${prefix} ${paint(GREEN, line)}`),
    err: (line) => printOut(`${prefix} ${paint(DIM, line)}`),
  });
}

/** Shows both ends of one conversation. Returns true if the echo is complete. */
async function showCalls(): Promise<boolean> {
  printOut('A line goes out over real sockets and comes back. Every system call is shown.\n');
  const words = ['serve', '--loop', 'blocking', '--port', '0', '--mode', 'line', '--trace'];
  using server = shown('server', BLUE, words);
  const port = await server.port();
  printOut('');
  const client = shown('client', CYAN, ['send', '--trace', '127.0.0.1', port, ...MESSAGES]);
  await client.exit;
  await server.stop();
  const whole = client.lines.join('\n') === MESSAGES.join('\n');
  return whole && client.child.exitCode === 0 && server.child.exitCode === 0;
}

/** Shows it all and returns the exit status. */
async function main(): Promise<number> {
  if (!(await showCalls())) {
    printError('\nThe demo failed: what came back is not what went out.');
    return EXIT.failed;
  }
  const count = MESSAGES.length;
  printOut(`\n${count} lines went out, the same ${count} came back, and both ends closed.\n`);
  const complaint = await runLoops();
  if (complaint !== null) {
    printError(`\nThe demo failed: ${complaint}.`);
    return EXIT.failed;
  }
  printOut('\nTry it yourself, each line in a terminal of its own:');
  printOut('  node dist/tools/cli/main.js serve --loop epoll --trace');
  printOut('  node dist/tools/cli/main.js send 127.0.0.1 7007 hello');
  printOut('\nAnd which of them is best? What a message costs each of them, in half a minute:\n');
  return runCompare(process.argv.slice(2));
}

/** Runs the demo and returns its exit status. */
export async function runDemo(): Promise<number> {
  try {
    return (await runBelowPidOne()) ?? (await main());
  } catch (error) {
    return report('demo', error);
  }
}
