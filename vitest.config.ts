import type { ViteUserConfig } from 'vitest/config';

const report = process.env['MERIDIAN_TEST_REPORT'];

/** Real processes, threads and disks: each file in a process of its own, since a crash in one must not take others with it. */
const APART = [
  'test/e2e/**/*.test.ts',
  'test/survival/**/*.test.ts',
  'test/runtime/**/*.test.ts',
  'test/storage/shard-threads.test.ts',
];

const config: ViteUserConfig = {
  test: {
    globalSetup: ['test/setup/build.ts'],
    // Processes, not threads: native bindings.
    pool: 'forks',
    maxWorkers: '100%',
    // Only against tests that hang: some machines are slow.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // What was compiled runs as it is, and as fast: it need not be transformed once more.
    server: { deps: { external: [/\/dist\//] } },
    reporters: report === undefined ? ['default'] : ['default', 'json'],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
    projects: [
      { extends: true, test: { name: 'processes', include: APART } },
      // Everything else shares a few processes: to load the modules anew for each file would cost as much as the tests.
      {
        extends: true,
        test: { name: 'rooms', include: ['test/**/*.test.ts'], exclude: APART, isolate: false },
      },
    ],
  },
};

export default config;
