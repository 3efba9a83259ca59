#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { addDoctor } from './doctor.ts';
import { EXIT, report } from './exit.ts';
import { addSend } from './send.ts';
import { addServe } from './serve.ts';
import { sockloopVersion } from './versions.ts';

const NAME = 'sockloop';

function program(): Command {
  const command = new Command(NAME)
    .description('Unix sockets and event loops from TypeScript: an echo server and its clients.')
    .version(sockloopVersion())
    .showHelpAfterError(`Try '${NAME} --help' for more.`)
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, `${NAME}: `)),
    })
    .exitOverride();
  addServe(command);
  addSend(command);
  addDoctor(command);
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
