// Puts the command together in few files, dist/cli, from what tsc has left in dist/src: Node takes a millisecond for each
// module that it loads, and a node has five hundred. The library and its types are not touched.
import { rmSync } from 'node:fs';
import { isAbsolute, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const dist = resolve(import.meta.dirname, '../dist');
const bundle = await rolldown({
  // Beside the command what its worker threads begin with: they are found by their names (runtime/node/threads.ts,
  // storage/shard-entry.ts).
  input: {
    main: `${dist}/src/cli/main.js`,
    'thread-worker': `${dist}/src/runtime/node/thread-worker.js`,
    'shard-worker': `${dist}/src/storage/shard-worker.js`,
  },
  platform: 'node',
  // Packages stay where npm has put them.
  external: (id) => !id.startsWith('.') && !isAbsolute(id),
});
rmSync(`${dist}/cli`, { recursive: true, force: true });
await bundle.write({ dir: `${dist}/cli`, format: 'esm' });
await bundle.close();
