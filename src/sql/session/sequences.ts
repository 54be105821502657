// Sequences as one session sees them: what it was given last, and where it must wait for the node's next block.

import { DbError } from '../../base/errors.ts';
import { Suspension } from '../../rows/compile.ts';
import type { CatalogView } from '../catalog/api.ts';
import { relationMissing } from '../catalog/errors.ts';
import type { SequenceDescriptor, SequenceNumbers } from '../catalog/sequences.ts';
import type { SequenceValues } from '../exec/plan-api.ts';

export class SessionSequences implements SequenceValues {
  readonly #catalog: CatalogView;
  readonly #numbers: SequenceNumbers;
  /** By id of the sequence. */
  readonly #last = new Map<number, bigint>();
  #lastUsed: number | undefined;
  /** What the setval() that was waited for has set. */
  #wasSet: { readonly id: number; readonly value: bigint; readonly isCalled: boolean } | undefined;

  constructor(catalog: CatalogView, numbers: SequenceNumbers) {
    this.#catalog = catalog;
    this.#numbers = numbers;
  }

  nextval(name: string): bigint {
    const sequence = this.#named(name);
    const number = this.#numbers.take(sequence);
    if (number === undefined) throw Suspension.until(this.#numbers.refill(sequence));
    this.#last.set(sequence.id, number);
    this.#lastUsed = sequence.id;
    return number;
  }

  currval(name: string): bigint {
    const sequence = this.#named(name);
    const last = this.#last.get(sequence.id);
    if (last !== undefined) return last;
    const message = `currval of sequence "${sequence.name}" is not yet defined in this session`;
    throw new DbError('55000', message);
  }

  lastval(): bigint {
    const last = this.#lastUsed === undefined ? undefined : this.#last.get(this.#lastUsed);
    if (last !== undefined) return last;
    throw new DbError('55000', 'lastval is not yet defined in this session');
  }

  setval(name: string, value: bigint, isCalled: boolean): bigint {
    const sequence = this.#named(name);
    const { id } = sequence;
    const was = this.#wasSet;
    this.#wasSet = undefined;
    if (was?.id === id && was.value === value && was.isCalled === isCalled) {
      if (isCalled) this.#last.set(id, value);
      return value;
    }
    const setting = this.#numbers.set(sequence, value, isCalled).then(() => {
      this.#wasSet = { id, value, isCalled };
    });
    throw Suspension.until(setting);
  }

  #named(text: string): SequenceDescriptor {
    const name = { ...nameOf(text), at: -1 };
    const found = this.#catalog.find(name);
    if (found === undefined) throw relationMissing(name);
    const { sequence } = found;
    if (sequence === undefined) throw new DbError('42809', `"${found.name}" is not a sequence`);
    return { ...found, sequence };
  }
}

/** A name in a text: folded unless it is quoted, perhaps with a schema. */
function nameOf(text: string): { schema: string | undefined; name: string } {
  const parts = [...text.matchAll(/"((?:[^"]|"")*)"|([^".\s]+)/g)].map(
    ([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? (bare as string).toLowerCase(),
  );
  if (parts.length === 0 || parts.length > 2) throw new DbError('42602', 'invalid name syntax');
  return { schema: parts.length === 2 ? parts[0] : undefined, name: parts.at(-1) as string };
}
