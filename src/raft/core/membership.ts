// Who belongs to a group, as one replica knows it: the configuration in effect, and the changes in its log that may yet
// take effect.
//
// A change takes effect when it commits, and none is proposed while another is in the leader's log above that (thesis,
// section 4.1). A replica that has a change in its log knows that the one before it has committed: the append that
// brought it said so, and Ready has the new configuration written no later than the entry. So two replicas that could
// win elections differ by one change at most, and any two of their majorities meet.

import { assert } from '../../base/assert.ts';
import { decodeChange } from '../codec.ts';
import {
  applyChange,
  type Change,
  type ChangeResult,
  type Configuration,
  isJoint,
  membersOf,
} from '../configuration.ts';
import type { Ready } from '../ready.ts';
import type { LogTerms } from '../terms.ts';
import type { Entry, ReplicaId } from '../types.ts';
import type { CoreOptions } from './options.ts';

interface LoggedChange {
  readonly index: number;
  readonly term: number;
  readonly change: Change;
}

export class Membership {
  private readonly self: ReplicaId;
  configuration: Configuration;
  /** Of the change that made the configuration; changes at or below it are not made again. */
  index: number;
  /** Of that change's entry; 0: not known. */
  term: number;
  /** In the log, above `index`, in order. */
  private pending: LoggedChange[] = [];
  /** Since take() was last called. */
  hasChanged = false;
  /** This replica may lead, if others agree. */
  isVoter = false;
  /** Nobody else has a say. */
  isOnlyVoter = false;

  constructor(options: CoreOptions) {
    const {
      replicaId,
      configuration,
      configurationIndex,
      configurationTerm = 0,
      changes,
    } = options;
    this.self = replicaId;
    this.configuration = configuration;
    this.index = configurationIndex;
    this.term = configurationTerm;
    for (const entry of changes) this.logged(entry);
    this.deriveRoles();
  }

  get others(): readonly ReplicaId[] {
    return membersOf(this.configuration).filter((replica) => replica !== this.self);
  }

  /** Up to where the log is known to be committed, since a change that has taken effect is; 0: nothing is known. After a
   * torn write, or a snapshot, the log may have another entry in its place. */
  committedIn(terms: LogTerms): number {
    return this.term > 0 && terms.termAt(this.index) === this.term ? this.index : 0;
  }

  /** Those whose votes a candidate needs, but for its own. */
  get otherVoters(): readonly ReplicaId[] {
    const { voters, outgoing } = this.configuration;
    return this.others.filter((replica) => voters.includes(replica) || outgoing.includes(replica));
  }

  /** False: nobody has told this replica yet who belongs to the group. */
  get isKnown(): boolean {
    return this.configuration.voters.length > 0;
  }

  private get hasPending(): boolean {
    return this.pending.length > 0;
  }

  /** Whether the newest configuration that this log knows of, committed or not, will leave this replica without a
   * vote. */
  get isLeaving(): boolean {
    const { pending } = this;
    const last = pending[pending.length - 1];
    const { configuration } = this;
    if (last === undefined) return !configuration.voters.includes(this.self);
    const result = applyChange(configuration, last.change);
    return result.kind === 'changed' && !result.configuration.voters.includes(this.self);
  }

  /** A leader's wish to leave the joint configuration that it was asked to leave by itself. */
  get wantsToLeaveJoint(): boolean {
    return this.configuration.autoLeave && isJoint(this.configuration) && !this.hasPending;
  }

  /** What a proposal would make of the configuration. */
  propose(change: Change): ChangeResult {
    if (this.hasPending) {
      return { kind: 'refused', reason: 'another membership change is under way' };
    }
    return applyChange(this.configuration, change);
  }

  /** An entry was appended to the log. */
  logged(entry: Entry): void {
    if (entry.kind !== 'change' || entry.index <= this.index) return;
    const { index, term, data } = entry;
    this.pending.push({ index, term, change: decodeChange(data) });
  }

  /** Entries from `index` on have gone from the log. */
  truncatedFrom(index: number): void {
    const { pending } = this;
    while (pending.length > 0 && (pending[pending.length - 1] as LoggedChange).index >= index) {
      pending.pop();
    }
  }

  /** A snapshot holds everything up to `index`, and its configuration has every change that was committed there: those
   * that this replica had logged and that are not part of it never were. */
  forgetTo(index: number): void {
    this.pending = this.pending.filter((change) => change.index > index);
  }

  /** The log is committed up to `index`. Whether the configuration changed. */
  committed(index: number): boolean {
    const { pending } = this;
    let isChanged = false;
    while (pending.length > 0 && (pending[0] as LoggedChange).index <= index) {
      const { index: at, term, change } = pending.shift() as LoggedChange;
      const result = applyChange(this.configuration, change);
      assert(result.kind === 'changed', `change ${at} has committed and can't be made`);
      this.configuration = result.configuration;
      this.index = at;
      this.term = term;
      isChanged = true;
    }
    if (isChanged) this.changed();
    return isChanged;
  }

  /** A snapshot knows of a later configuration, perhaps. */
  restore(configuration: Configuration, index: number): void {
    if (index <= this.index && this.isKnown) return;
    this.configuration = configuration;
    this.index = index;
    this.term = 0;
    this.pending = this.pending.filter((change) => change.index > index);
    this.changed();
  }

  /** When it has changed since it was last taken. */
  take(): Ready['configuration'] {
    if (!this.hasChanged) return undefined;
    this.hasChanged = false;
    return { configuration: this.configuration, index: this.index, term: this.term };
  }

  private changed(): void {
    this.hasChanged = true;
    this.deriveRoles();
  }

  private deriveRoles(): void {
    const { voters, outgoing } = this.configuration;
    this.isVoter = voters.includes(this.self) || outgoing.includes(this.self);
    this.isOnlyVoter =
      voters.includes(this.self) &&
      voters.length === 1 &&
      outgoing.every((voter) => voter === this.self);
  }
}
