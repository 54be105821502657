// Paths that are rarely taken, marked where they are (Faults.reached), so that a test can show that runs come there.

export const PROBES: ReadonlyMap<string, string> = new Map([
  [
    'txn.recovered',
    'P19: what was prepared learned its outcome from the anchor, not from who commits it',
  ],
  ['txn.ambiguous-found', 'P20: a commit whose answer was lost turned out to have happened'],
  [
    'txn.wounded-remotely',
    'P21: an older transaction took the locks of one whose client is at another node',
  ],
  ['txn.lease-changed', 'P15: the lease of what was read had another holder when the commit came'],
  ['split.prepared', 'P18: a range was split while something was prepared in it'],
  ['merge.prepared', 'P18: a range was merged while something was prepared in it'],
  ['reads.closed', 'P23: a replica that does not lead served a read'],
  ['clock.skewed', 'P12: a node stopped serving since most of its peers contradict its clock'],
]);
