/** A command line of `sockloop`, as it could be typed. */
export function commandLine(words: readonly string[]): string {
  const quoted = words.map((word) => {
    return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  });
  return `sockloop ${quoted.join(' ')}`;
}

/** The same behind a prompt. */
export function typed(words: readonly string[]): string {
  return `$ ${commandLine(words)}`;
}
