export * from './names.ts';
export * as default from './names.ts';
