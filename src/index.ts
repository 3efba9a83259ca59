export * from './socket/index.ts';
export { nativeSys, TracingSys } from './sys/index.ts';
export * from './tcp/index.ts';
