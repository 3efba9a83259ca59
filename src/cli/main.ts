#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { EXIT, report } from './exit.ts';
import { addSend } from './send.ts';
import { addServe } from './serve.ts';

const NAME = 'sockloop';

/** Seen from this file's place in the package, dist/cli. */
const MANIFEST = '../../package.json';

function version(): string {
  const manifest = readFileSync(new URL(MANIFEST, import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

function program(): Command {
  const command = new Command(NAME)
    .description('Unix sockets and event loops from TypeScript: an echo server and its clients.')
    .version(version())
    .showHelpAfterError(`Try '${NAME} --help' for more.`)
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, `${NAME}: `)),
    })
    .exitOverride();
  addServe(command);
  addSend(command);
  // Set last: a command takes over what its program has when it is added.
  for (const sub of command.commands) sub.copyInheritedSettings(command);
  return command;
}

/** Runs the command line and returns the exit status. */
async function main(words: readonly string[]): Promise<number> {
  const command = program();
  if (words.length === 0) {
    command.outputHelp({ error: true });
    return EXIT.usage;
  }
  try {
    await command.parseAsync(words, { from: 'user' });
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(NAME, error);
    // Commander has printed what is wrong, or the help or version that was asked for.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
}

process.exitCode = await main(process.argv.slice(2));
