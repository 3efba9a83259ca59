export * from './net/index.ts';
export * from './socket/index.ts';
export { nativeSys, TracingSys } from './sys/index.ts';
