import { startProgram } from './program-start.ts';

await startProgram('demo', async () => (await import('./demo-run.ts')).runDemo());
