import type { Command } from 'commander';
import { addDatagramFlags, type DatagramFlags, loadKindOf } from './datagram-flags.ts';
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
  addDatagramFlags(declareLoadFlags(command)).action(
    async (words: string[], flags: LoadFlags & DatagramFlags, own: Command) => {
      const kind = loadKindOf(flags, own);
      // Loaded at need: the other commands begin twice as soon without it.
      if (kind === null) return (await import('./run.ts')).load(words, flags);
      await (await import('./datagrams.ts')).loadDatagrams(kind, words, flags, own);
    },
  );
}
