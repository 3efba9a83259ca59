import type { Command } from 'commander';

// Dynamic imports open few files at a time: see startProgram.

/** The name of the program. */
export const NAME = 'sockloop';

type AddsCommand = (program: Command) => void;

/**
 * The commands in the order of the help. Each is loaded at need: a server does not need the modules
 * of the report, nor the descriptors and memory of loading them.
 */
const commands: Readonly<Record<string, () => Promise<AddsCommand>>> = {
  serve: async () => (await import('./serve/command.ts')).addServe,
  send: async () => (await import('./send/command.ts')).addSend,
  load: async () => (await import('./load/command.ts')).addLoad,
  top: async () => (await import('./top/command.ts')).addTop,
  merge: async () => (await import('./merge/command.ts')).addMerge,
  compare: async () => (await import('./compare/command.ts')).addCompare,
  doctor: async () => (await import('./doctor/command.ts')).addDoctor,
};

/** The program with the command named by the first word, or with all commands. */
async function program(words: readonly string[]): Promise<Command> {
  const { Command } = await import('commander');
  const { tryHelp } = await import('../terminal/exit.ts');
  const { prompt, writeOut } = await import('../terminal/output.ts');
  const { sockloopVersion } = await import('../measure/versions.ts');
  const command = new Command(NAME)
    .description('Unix sockets and event loops from TypeScript: an echo server and its clients.')
    .version(sockloopVersion())
    .showHelpAfterError(tryHelp(NAME))
    .configureOutput({
      // Synchronous, so that errors are thrown here: process.stdout would not report them.
      writeOut: (text) => writeOut(Buffer.from(text)),
      writeErr: prompt,
      outputError: (text, write) => write(text.replace(/^error: /, `${NAME}: `)),
    })
    .exitOverride();
  const named = Object.hasOwn(commands, words[0] ?? '') ? commands[words[0] ?? ''] : undefined;
  const wanted = named === undefined ? Object.values(commands) : [named];
  for (const load of wanted) (await load())(command);
  // Set last: a command inherits settings when it is added.
  for (const sub of command.commands) {
    sub.copyInheritedSettings(command).showHelpAfterError(tryHelp(`${NAME} ${sub.name()}`));
  }
  return command;
}

/**
 * Runs a command line. Throws if a file of the program cannot be loaded.
 *
 * @param words - The arguments, without the name of the program.
 * @returns The exit status.
 */
export async function runCommand(words: readonly string[]): Promise<number> {
  const { CommanderError } = await import('commander');
  const { EXIT, report } = await import('../terminal/exit.ts');
  const command = await program(words);
  try {
    if (words.length === 0) {
      command.outputHelp({ error: true });
      return EXIT.usage;
    }
    await command.parseAsync(words, { from: 'user' });
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(NAME, error, `${NAME} ${words[0]}`);
    // Commander has printed the error, the help or the version.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
}
