import { startProgram } from '../program-start.ts';

await startProgram('demo', async () => (await import('./run.ts')).runDemo());
