// All nodes but one are gone: whoever writes there must be told clearly and soon, in SQL and in keys and values, and be
// served again soon after the others are back.

import { status } from '@grpc/grpc-js';
import { pause } from './clients.ts';
import type { Fleet } from './fleet.ts';
import { codeOf, SqlConnection } from './sql-connection.ts';
import type { Violations } from './violations.ts';

/** A node tries for 10 s. */
const ANSWER_MILLIS_MAX = 15_000;
const CLIENT_MILLIS = 30_000;
/** Leases and what was under way are over by then. */
const AFTER_LOSS_MILLIS = 3000;

const WRITES: Readonly<Record<string, string>> = {
  'a row': 'UPDATE chaos_register SET v = v WHERE k = 0',
  'two rows of two ranges': 'UPDATE chaos_account SET balance = balance WHERE id IN (0, 31)',
  'a new row': 'INSERT INTO chaos_ledger VALUES (-1, 0, NULL)',
};

export interface LossFigures {
  answerMillis: number;
  readonly codes: Map<string, number>;
}

export async function loseMajority(
  fleet: Fleet,
  violations: Violations,
  survivor: number,
  figures: LossFigures,
): Promise<void> {
  const lost = fleet.ids.filter((id) => id !== survivor);
  const releases = lost.map((id) => fleet.take(id));
  try {
    await Promise.all(lost.map((id) => fleet.kill(id)));
    await pause(AFTER_LOSS_MILLIS);
    await Promise.all([
      ...Object.entries(WRITES).map(([what, text]) =>
        writeRow(fleet, violations, survivor, what, text, figures),
      ),
      writePair(fleet, violations, survivor, figures),
    ]);
    await Promise.all(lost.map((id) => fleet.restart(id)));
  } finally {
    for (const release of releases) release();
  }
}

async function writeRow(
  fleet: Fleet,
  violations: Violations,
  node: number,
  what: string,
  text: string,
  figures: LossFigures,
): Promise<void> {
  const begun = performance.now();
  let connection: SqlConnection | undefined;
  let answer: string;
  try {
    connection = await SqlConnection.open(node, fleet.url(node), CLIENT_MILLIS);
    await connection.query(text);
    answer = 'done';
  } catch (error) {
    answer = codeOf(error) ?? `no code: ${String(error)}`;
  } finally {
    connection?.destroy();
  }
  judge(`SQL's write of ${what}`, answer, ['57P03', '40003'], begun, violations, figures);
}

async function writePair(
  fleet: Fleet,
  violations: Violations,
  node: number,
  figures: LossFigures,
): Promise<void> {
  const begun = performance.now();
  let answer = 'done';
  try {
    await fleet.channel(node).put('lost', '', CLIENT_MILLIS);
  } catch (error) {
    answer = status[(error as { code: number }).code] ?? String(error);
  }
  const expected = ['UNAVAILABLE', 'FAILED_PRECONDITION', 'UNKNOWN'];
  judge('a put', answer, expected, begun, violations, figures);
}

function judge(
  what: string,
  answer: string,
  expected: readonly string[],
  begun: number,
  violations: Violations,
  figures: LossFigures,
): void {
  const millis = performance.now() - begun;
  figures.answerMillis = Math.max(figures.answerMillis, millis);
  figures.codes.set(answer, (figures.codes.get(answer) ?? 0) + 1);
  if (expected.includes(answer) && millis < ANSWER_MILLIS_MAX) return;
  violations.add(
    `${what} without a majority was answered with ${answer} after ${Math.round(millis)} ms`,
    answer === 'done',
  );
}
