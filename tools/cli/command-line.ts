/** A `sockloop` command line, quoted for a shell. */
export function commandLine(words: readonly string[]): string {
  const quoted = words.map((word) => {
    return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  });
  return `sockloop ${quoted.join(' ')}`;
}

/** The command line behind a prompt. */
export function typed(words: readonly string[]): string {
  return `$ ${commandLine(words)}`;
}
