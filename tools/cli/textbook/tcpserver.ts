#!/usr/bin/env node
import { startProgram } from '../program-start.ts';

await startProgram('tcpserver', async () => (await import('./server.ts')).runServer());
