// Bugs that are planted on purpose, each a rule of the protocol turned off, so that a test can show that seeds find it.
// They exist in the simulator only: elsewhere Faults.sometimes() is always false.

export const KNOWN_BUGS: ReadonlyMap<string, string> = new Map([
  ['raft.ack-before-sync', 'P29: entries count as written before they are synced'],
  ['ranges.release-before-visible', 'P13: locks go when a commit is proposed'],
  ['ranges.ignore-in-flight', 'P22: reads do not wait for earlier writes that are in flight'],
  ['ranges.skip-commit-wait', 'P10: commits are answered before their time'],
  ['clock.ignore-bound', 'P8: a start does not wait for the stored bound'],
  ['node.cut-log-unflushed', 'P30: the log is cut without a flush'],
]);
