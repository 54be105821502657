// Quorum arithmetic: what a majority, or both majorities of a joint configuration, have acknowledged or voted.
// A leaf: it knows replica ids and numbers, nothing of the protocol (Raft thesis, sections 3.6 and 4.3).

export type ReplicaId = number;

/** Voters of one half; joint configurations have two. */
export type Voters = readonly ReplicaId[];

export type VoteResult = 'pending' | 'lost' | 'won';

/** Above every log index: what the empty half of a configuration has committed, so that the other half decides. */
export const EVERYTHING: number = Number.POSITIVE_INFINITY;

/** The greatest index that a majority has reached. `acknowledged` answers 0 for a voter that is not heard of. */
export function majorityIndex(
  voters: Voters,
  acknowledged: (replica: ReplicaId) => number,
): number {
  const count = voters.length;
  if (count === 0) return EVERYTHING;
  if (count === 1) return acknowledged(voters[0] as ReplicaId);
  const indexes = new Array<number>(count);
  // Insertion sort, descending: quorums are small, and this runs for every acknowledgement.
  for (let i = 0; i < count; i++) {
    const index = acknowledged(voters[i] as ReplicaId);
    let at = i;
    for (; at > 0 && (indexes[at - 1] as number) < index; at--) {
      indexes[at] = indexes[at - 1] as number;
    }
    indexes[at] = index;
  }
  return indexes[count >> 1] as number;
}

/** What both halves have reached. `outgoing` is empty unless the configuration is joint. */
export function committedIndex(
  incoming: Voters,
  outgoing: Voters,
  acknowledged: (replica: ReplicaId) => number,
): number {
  const first = majorityIndex(incoming, acknowledged);
  if (outgoing.length === 0) return first;
  return Math.min(first, majorityIndex(outgoing, acknowledged));
}

/** The outcome of an election in one half. `vote` answers undefined for a voter that has not answered. */
export function majorityVote(
  voters: Voters,
  vote: (replica: ReplicaId) => boolean | undefined,
): VoteResult {
  // By convention an empty half is won, so that the other half decides.
  if (voters.length === 0) return 'won';
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const answer = vote(voter);
    if (answer === undefined) missing++;
    else if (answer) granted++;
  }
  const quorum = (voters.length >> 1) + 1;
  if (granted >= quorum) return 'won';
  return granted + missing >= quorum ? 'pending' : 'lost';
}

/** Both halves must win; one lost half loses. */
export function voteResult(
  incoming: Voters,
  outgoing: Voters,
  vote: (replica: ReplicaId) => boolean | undefined,
): VoteResult {
  const first = majorityVote(incoming, vote);
  const second = majorityVote(outgoing, vote);
  if (first === second) return first;
  return first === 'lost' || second === 'lost' ? 'lost' : 'pending';
}
