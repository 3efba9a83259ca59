// The hooks of module.register() that put checkedSys() around what nativeSys() returns, in a clone
// and in the package as it is published.

import type { LoadHook } from 'node:module';

const NATIVE = /\/src\/sys\/native\.js$/;
const DEFINITION = 'export function nativeSys()';

const checked = new URL('../harness/memory/checked-sys.js', import.meta.url);
const wrapper = `
import { checkedSys as sockloopCheckedSys } from '${checked}';
export function nativeSys() {
  return sockloopCheckedSys(sockloopPlainSys(), { descriptors: false });
}
`;

export const load: LoadHook = async (url, context, next) => {
  const loaded = await next(url, context);
  if (!NATIVE.test(url)) return loaded;
  const text = Buffer.from(loaded.source as Uint8Array).toString();
  if (!text.includes(DEFINITION)) throw new Error(`${url} has no nativeSys()`);
  return { ...loaded, source: text.replace(DEFINITION, 'function sockloopPlainSys()') + wrapper };
};
