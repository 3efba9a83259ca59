#!/usr/bin/env node
import { startProgram } from './program-start.ts';

await startProgram('tcpserver', async () => (await import('./tcpserver-server.ts')).runServer());
