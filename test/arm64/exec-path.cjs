// Loaded first in every process and worker that runs under qemu-user.

const { join } = require('node:path');

// What starts another Node.js starts the program that puts it under qemu.
process.execPath = join(__dirname, 'node');

// koffi looks for its binary in node_modules, which holds that of the real machine only, and in a
// folder `koffi` of the resources of an Electron application.
process.resourcesPath = join(__dirname, '../../build/arm64/node_modules');
