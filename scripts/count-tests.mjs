// Prints what failed, shortly, and then one line, `N passed, N failed[, N skipped]`, from reports of Vitest's JSON reporter.
// Exits 1 when anything failed, when nothing ran or when a report is missing.
import { readFileSync } from 'node:fs';

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return { success: false, numPassedTests: 0, testResults: [] };
  }
}

const LINES_MAX = 12;

function show(name, message = '') {
  console.log(`failed: ${name}`);
  if (message === '') return;
  for (const line of message.split('\n').slice(0, LINES_MAX)) console.log(`    ${line}`);
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
  for (const { status, fullName, failureMessages } of assertions) {
    if (status === 'failed') show(fullName, failureMessages[0]);
  }
  // A file that fails to load has no tests to fail, and a run may fail for an error outside them.
  const filesWithoutTests = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((a) => a.status === 'failed'),
  );
  for (const { name, message } of filesWithoutTests) show(name, message);
  const inTests = count('failed') + filesWithoutTests.length;
  if (inTests === 0 && !report.success) show(`${path}: the run itself`);
  failed += inTests === 0 && !report.success ? 1 : inTests;
}

console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
