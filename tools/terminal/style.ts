/** True if a stream is a terminal with colours and the environment does not disable them. */
export function hasColor({ isTTY }: { readonly isTTY?: boolean }): boolean {
  const { TERM, NO_COLOR = '', CLICOLOR } = process.env;
  return isTTY === true && TERM !== 'dumb' && NO_COLOR === '' && CLICOLOR !== '0';
}

const color = hasColor(process.stdout);

/** `text` with an SGR attribute (ECMA-48); unchanged without colours. */
export function paint(code: number, text: string): string {
  return color ? `\u001b[${code}m${text}\u001b[0m` : text;
}

export const BOLD = 1;
export const DIM = 2;
export const RED = 31;
export const GREEN = 32;
export const YELLOW = 33;
export const BLUE = 34;
export const CYAN = 36;
