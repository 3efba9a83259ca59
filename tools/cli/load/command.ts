import type { Command } from 'commander';
import { declareLoadFlags, type LoadFlags } from './flags.ts';

/** Adds `sockloop load` to the program. */
export function addLoad(program: Command): void {
  const command = program
    .command('load')
    .description(
      'put load on an echo server: measure how many messages it answers, and how soon.\n' +
        'Every reply is compared with what was sent.',
    )
    .usage('[options] HOST PORT\n       sockloop load [options] --unix PATH')
    .argument('[arguments...]', 'host and port of the server');
  declareLoadFlags(command).action(async (words: string[], flags: LoadFlags) => {
    // Loaded at need: the other commands begin twice as soon without it.
    const { load } = await import('./run.ts');
    await load(words, flags);
  });
}
