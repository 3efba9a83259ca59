#!/usr/bin/env node
import { startProgram } from '../program-start.ts';

await startProgram('tcpclient', async () => (await import('./client.ts')).runClient());
