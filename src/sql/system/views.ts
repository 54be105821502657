// The views of pg_catalog that programs ask: lists of tables, indexes and the like in words.

import type { Row, Rows } from './define.ts';
import { shownIndexes } from './relations.ts';
import { indexText } from './texts.ts';
import type { VirtualSource } from './virtual.ts';

export const VIEW_MAKERS: Readonly<Record<string, Rows>> = {
  pg_tables: ({ catalog, session }: VirtualSource) =>
    catalog
      .all()
      .filter(({ sequence }) => sequence === undefined)
      .map(
        (table): Row => ({
          schemaname: table.schema,
          tablename: table.name,
          tableowner: session.sessionUser,
          hasindexes: shownIndexes(table).length > 0,
          hasrules: false,
          hastriggers: false,
          rowsecurity: false,
        }),
      ),
  pg_indexes: ({ catalog }: VirtualSource) =>
    catalog.all().flatMap((table) =>
      shownIndexes(table).map(
        ({ index, isUnique }): Row => ({
          schemaname: table.schema,
          tablename: table.name,
          indexname: index.name,
          indexdef: indexText(table, index, isUnique),
        }),
      ),
    ),
};
