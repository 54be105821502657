// Messages and states as transcripts show them. A position is written term/index.

import { fromUtf8 } from '../../src/base/bytes.ts';
import { decodeChange } from '../../src/raft/codec.ts';
import type { Change, ChangeStep } from '../../src/raft/configuration.ts';
import { formatConfiguration } from '../../src/raft/configuration.ts';
import type { Message } from '../../src/raft/messages.ts';
import type { Ready } from '../../src/raft/ready.ts';
import type { Entry } from '../../src/raft/types.ts';
import type { Member } from './member.ts';

const STEP_LETTERS: Record<ChangeStep['kind'], string> = {
  addVoter: 'v',
  addLearner: 'l',
  remove: 'r',
  update: 'u',
};

/** `v1` adds a voter, `l2` a learner, `r3` removes, `u4` changes nothing. */
export function stepsOf(words: readonly string[]): ChangeStep[] {
  return words.map((word) => {
    const kind = Object.entries(STEP_LETTERS).find(([, letter]) => letter === word[0])?.[0];
    if (kind === undefined) throw new Error(`unknown step ${word}`);
    return { kind: kind as ChangeStep['kind'], replica: Number(word.slice(1)) };
  });
}

function formatChange(change: Change): string {
  if (change.kind === 'leaveJoint') return 'leave-joint';
  const steps = change.steps.map(({ kind, replica }) => `${STEP_LETTERS[kind]}${replica}`);
  return [change.kind === 'simple' ? 'change' : 'enter-joint', ...steps].join(' ');
}

export function formatEntry({ index, term, kind, data }: Entry): string {
  if (kind === 'change') return `${term}/${index}:<${formatChange(decodeChange(data))}>`;
  // Long runs of one letter are told as they are proposed.
  const text = fromUtf8(data).replace(
    /(\w)\1{9,}/g,
    (run, letter: string) => `${letter}*${run.length}`,
  );
  return `${term}/${index}:${text === '' ? '<empty>' : text}`;
}

export function formatMessage(message: Message): string {
  return `${message.from}>${message.to} ${message.kind} term=${message.term}${details(message)}`;
}

function details(message: Message): string {
  switch (message.kind) {
    case 'preVote':
    case 'vote':
      return ` last=${message.lastTerm}/${message.lastIndex}${message.isTransfer ? ' for a transfer' : ''}`;
    case 'preVoteAnswer':
    case 'voteAnswer':
      return message.granted ? ' granted' : ' refused';
    case 'append': {
      const { previousTerm, previousIndex, entries, commit } = message;
      const list = entries.map(formatEntry).join(' ');
      return ` after=${previousTerm}/${previousIndex} [${list}] commit=${commit}`;
    }
    case 'appendAnswer':
      return message.rejected
        ? ` rejects ${message.index}, hint=${message.hintTerm}/${message.hintIndex}`
        : ` has=${message.index}`;
    case 'heartbeat':
      return ` commit=${message.commit}${formatRead(message.readContext)}`;
    case 'heartbeatAnswer':
      return formatRead(message.readContext);
    case 'snapshot':
      return ` at=${message.indexTerm}/${message.index}`;
    case 'timeoutNow':
    case 'inquiry':
    case 'removed':
      return '';
    case 'readIndex':
      return ` context=${message.context}`;
    case 'readIndexAnswer':
      return ` context=${message.context} index=${message.index}`;
  }
}

function formatRead(context: number): string {
  return context === 0 ? '' : ` read=${context}`;
}

export function formatReady(ready: Ready): string {
  const { softState, hardState, configuration, entries, committed, snapshot } = ready;
  let text = '';
  for (const { kind, to } of ready.messages) text += `send at once: ${kind} to ${to}\n`;
  if (softState !== undefined) text += `soft: ${softState.role} leader=${softState.leader}\n`;
  if (hardState !== undefined) {
    text += `hard: term=${hardState.term} vote=${hardState.vote} commit=${hardState.commit}\n`;
  }
  if (configuration !== undefined) {
    text += `configuration: ${formatConfiguration(configuration.configuration)} of ${configuration.index}\n`;
  }
  if (entries.length > 0) text += `append: ${entries.map(formatEntry).join(' ')}\n`;
  if (committed !== undefined) text += `committed: ${committed.first}..${committed.last}\n`;
  for (const { kind, to } of ready.messagesAfterSync) {
    text += `send after the sync: ${kind} to ${to}\n`;
  }
  if (snapshot !== undefined) text += `pull: ${snapshot.index} from ${snapshot.from}\n`;
  return text;
}

/** Role, term and who leads: what a change of is worth a line. */
export function formatRole({ id, core }: Member): string {
  return `${id} ${core.role} term=${core.term} leader=${core.leader}`;
}

export function formatStatus(member: Member): string {
  const { core } = member;
  return `${formatRole(member)} commit=${core.committedIndex} last=${core.lastIndex} ${formatConfiguration(core.configuration)}`;
}

/** The log from its beginning, as terms: `(3) 1 1 2` begins after an entry of term 3. */
export function formatLog({ id, log }: Member): string {
  const start = log.start.index === 0 ? '' : `(${log.start.term}/${log.start.index}) `;
  return `${id} log: ${start}${log.entries.map(formatEntry).join(' ')}`;
}
