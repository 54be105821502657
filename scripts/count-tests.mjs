// Prints one line, `N passed, N failed[, N skipped]`, from the report of Vitest's JSON reporter.
// Exits 1 when anything failed, when nothing ran or when there is no report.
import { readFileSync } from 'node:fs';

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { success: false, numPassedTests: 0, testResults: [] };
  }
}

const report = read(process.argv[2]);
const assertions = report.testResults.flatMap((file) => file.assertionResults);
const count = (...statuses) => assertions.filter((a) => statuses.includes(a.status)).length;

const passed = count('passed');
// A file that fails to load has no tests to fail, and a run may fail for an error outside them.
const filesWithoutTests = report.testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((a) => a.status === 'failed'),
).length;
const inTests = count('failed') + filesWithoutTests;
const failed = inTests === 0 && !report.success ? 1 : inTests;
const skipped = count('skipped', 'pending', 'todo', 'disabled');

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
