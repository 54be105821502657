// The portals of a session. The unnamed one, which nearly every statement uses, stands apart: a Map that is filled and
// emptied for each statement leaves a trail of old tables that keep garbage alive (see ranges/locks/session-table.ts).

import { DbError } from '../../base/errors.ts';
import { type Portal, PREPARED_MAX } from './prepared.ts';

export class Portals {
  #unnamed: Portal | undefined;
  readonly #named = new Map<string, Portal>();

  get isEmpty(): boolean {
    return this.#unnamed === undefined && this.#named.size === 0;
  }

  /** Throws what forbids a portal of this name; the unnamed one gives way. */
  makeRoom(name: string): void {
    if (name === '') {
      this.close('');
      return;
    }
    if (this.#named.has(name)) throw new DbError('42P03', `cursor "${name}" already exists`);
    if (this.#named.size >= PREPARED_MAX) {
      throw new DbError('53400', `a session may keep at most ${PREPARED_MAX} portals`);
    }
  }

  open(name: string, portal: Portal): void {
    if (name === '') this.#unnamed = portal;
    else this.#named.set(name, portal);
  }

  get(name: string): Portal {
    const portal = name === '' ? this.#unnamed : this.#named.get(name);
    if (portal === undefined) throw new DbError('34000', `portal "${name}" does not exist`);
    return portal;
  }

  close(name: string): void {
    if (name === '') {
      this.#unnamed?.suspended?.close();
      this.#unnamed = undefined;
      return;
    }
    this.#named.get(name)?.suspended?.close();
    this.#named.delete(name);
  }

  closeAll(): void {
    this.close('');
    if (this.#named.size === 0) return;
    for (const portal of this.#named.values()) portal.suspended?.close();
    this.#named.clear();
  }
}
