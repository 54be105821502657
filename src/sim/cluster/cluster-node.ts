// What a node under test is to the clients and faults of a simulated cluster, whatever it is made of.

/** One of a group, or of a range. */
export interface Register {
  readonly group: number;
  readonly register: number;
}

export function registerName({ group, register }: Register): string {
  return `${group}/${register}`;
}

/** `refused`: it surely never happens; `leader` is the node to ask instead, if it is known. */
export type Answer =
  | { readonly kind: 'done'; readonly value: number | undefined }
  | { readonly kind: 'refused'; readonly leader: number | undefined }
  | { readonly kind: 'unknown' };

export interface ClusterNode {
  read(register: Register): Promise<Answer>;
  write(register: Register, value: number): Promise<Answer>;
  /** Whether it may serve reads of the group now, by its own lights (P1). */
  holdsLease(group: number): boolean;
  close(): Promise<void>;
}
