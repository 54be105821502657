// Prints one line, `N passed, N failed[, N skipped]`, from reports of Vitest's JSON reporter.
// Exits 1 when anything failed, when nothing ran or when a report is missing.
import { readFileSync } from 'node:fs';

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { success: false, numPassedTests: 0, testResults: [] };
  }
}

let passed = 0;
let failed = 0;
let skipped = 0;
for (const path of process.argv.slice(2)) {
  const report = read(path);
  const assertions = report.testResults.flatMap((file) => file.assertionResults);
  const count = (...statuses) => assertions.filter((a) => statuses.includes(a.status)).length;
  passed += count('passed');
  skipped += count('skipped', 'pending', 'todo', 'disabled');
  // A file that fails to load has no tests to fail, and a run may fail for an error outside them.
  const filesWithoutTests = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((a) => a.status === 'failed'),
  ).length;
  const inTests = count('failed') + filesWithoutTests;
  failed += inTests === 0 && !report.success ? 1 : inTests;
}

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
