// Goal: every poller keeps the contract of src/poller/poller.ts on the kernel of this machine.
// Method: the one suite over each poller with each waker; what is not available says why.

import { kernelSubjects } from './kernel-environment.ts';
import { describePoller } from './suite.ts';

for (const subject of kernelSubjects()) describePoller(subject);
