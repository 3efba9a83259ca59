import { fileURLToPath } from 'node:url';

/** The program `sockloop`. */
export const MAIN = fileURLToPath(new URL('../cli/main.js', import.meta.url));
