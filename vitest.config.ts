import type { ViteUserConfig } from 'vitest/config';

const report = process.env['MERIDIAN_TEST_REPORT'];

const config: ViteUserConfig = {
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/setup/build.ts'],
    // Processes, not threads: tests open databases through native bindings, and a crash in one
    // must not take the others with it.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: report === undefined ? ['default'] : ['default', 'json'],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
};

export default config;
