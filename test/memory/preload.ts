// Preloaded by `make memory` into each process and thread of the suites, and of the programs that
// they start: nativeSys() gives calls whose memory is checked.

import { register } from 'node:module';

register('./hooks.js', import.meta.url);
