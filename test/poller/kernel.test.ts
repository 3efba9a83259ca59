// Goal: every poller keeps the contract of src/poller/poller.ts on the kernel of this machine.
// Method: the one suite over each poller with each waker; what is not available says why.

import { kernelTargets } from './kernel-environment.ts';
import { describePoller } from './suite.ts';

for (const target of kernelTargets()) describePoller(target);
