// A client's way to SQL at one node: a connection that is made when it is needed, and thrown away when it does not
// answer in time.

import pg from 'pg';

/** Surely nothing was done: these are said before anything is decided. What is not in the list may have been done. */
const REFUSED: readonly RegExp[] = [
  /^0A/,
  // 40003 is the one of its class that says that it does not know.
  /^40(?!003)/,
  /^42/,
  /^5[35]/,
  /^57P03$/,
  /^25/,
];

export type SqlRow = Record<string, unknown>;

export class SqlConnection {
  readonly node: number;
  readonly #client: pg.Client;
  /** Nothing can be asked here any more. */
  isBroken = false;
  /** What was asked last. */
  last = 'nothing yet';

  private constructor(node: number, client: pg.Client) {
    this.node = node;
    this.#client = client;
    // What is under way is told by its own rejection.
    client.on('error', () => this.destroy());
    client.on('end', () => this.destroy());
  }

  static async open(node: number, url: string, millis: number): Promise<SqlConnection> {
    const client = new pg.Client({
      connectionString: url,
      connectionTimeoutMillis: millis,
      query_timeout: millis,
    });
    const connection = new SqlConnection(node, client);
    try {
      await client.connect();
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  /** After an error without a code the connection is of no more use. */
  async query(text: string, values: readonly unknown[] = []): Promise<readonly SqlRow[]> {
    this.last = `${text} ${values.map((value) => String(value).trim()).join(', ')}`;
    try {
      const { rows } = await this.#client.query<SqlRow>(text, [...values]);
      return rows;
    } catch (error) {
      if (codeOf(error) === undefined) this.destroy();
      throw error;
    }
  }

  destroy(): void {
    if (this.isBroken) return;
    this.isBroken = true;
    const { connection } = this.#client as unknown as {
      connection: { stream: { destroy(): void } };
    };
    connection.stream.destroy();
  }
}

/** SQLSTATE; undefined: nothing was answered. */
export function codeOf(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

export function isRefusal(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && REFUSED.some((pattern) => pattern.test(code));
}
