#!/usr/bin/env node
import { startProgram } from './program-start.ts';

await startProgram('tcpclient', async () => (await import('./tcpclient-client.ts')).runClient());
