// Bugs that are planted on purpose, each a rule of the protocol turned off, so that a test can show that seeds find it.
// They exist in the simulator only: elsewhere Faults.sometimes() is always false.

export const KNOWN_BUGS: ReadonlyMap<string, string> = new Map([
  ['raft.ack-before-sync', 'P29: entries count as written before they are synced'],
  ['raft.skip-term-check', 'Raft: votes are granted to old terms, and twice in one'],
  ['raft.forget-vote', 'Raft: a restart forgets whom it voted for'],
  ['raft.count-learner', 'Raft: learners count towards a majority'],
  ['raft.keep-lease-through-transfer', 'P3: a leader goes on serving while it hands over'],
  ['raft.node-ack-extends-lease', "P4: a pair's acknowledgement extends leases of all groups"],
  [
    'raft.birth-overwrites-term',
    'P26: a child that was met before its split forgets its term and vote',
  ],
  ['raft.lead-from-birth-again', 'P25: whoever applies a split once more leads from birth again'],
  ['raft.disinherit', "P25: a child does not keep its parent's promise"],
  ['raft.close-beyond-lease', 'P23: timestamps are closed beyond the lease'],
  ['raft.drop-tombstone', 'P32: a removed replica is forgotten'],
  ['ranges.believe-stale-route', 'P28: a range serves keys that are not its own any more'],
  ['ranges.read-collected', 'P24: the past is read although it is not kept any more'],
  ['ranges.merge-unfrozen', 'P27: a range serves on while another takes it over'],
  ['ranges.corrupt-apply', 'a replica applies something else than was committed'],
  ['ranges.release-before-visible', 'P13: locks go when a commit is proposed'],
  ['ranges.ignore-in-flight', 'P22: reads do not wait for earlier writes that are in flight'],
  ['ranges.skip-commit-wait', 'P10: commits are answered before their time'],
  ['ranges.read-past-safe-time', 'P23: replicas that do not lead serve what is not closed yet'],
  ['ranges.answer-unrecorded', 'P19: an unknown id is told to be aborted, and nothing is recorded'],
  ['ranges.forget-prepare', 'P18: a restart forgets what was prepared'],
  ['ranges.forget-lock-session', 'P15: a prepare or confirmation does without the lost locks'],
  ['ranges.skip-resolve-floor', 'P19: resolving does not raise the floor'],
  ['clock.ignore-skew', 'P12: a node goes on though most of its peers contradict its clock'],
  ['clock.ignore-bound', 'P8: a start does not wait for the stored bound'],
  ['node.cut-log-unflushed', 'P30: the log is cut without a flush'],
]);
