/** Whether a stream shows colours, and nobody asked for none. */
export function hasColor({ isTTY }: { readonly isTTY?: boolean }): boolean {
  const { TERM, NO_COLOR = '', CLICOLOR } = process.env;
  return isTTY === true && TERM !== 'dumb' && NO_COLOR === '' && CLICOLOR !== '0';
}

const color = hasColor(process.stdout);

/** `text` in a colour or weight of the terminal (ECMA-48, SGR), as it is where there is none. */
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
