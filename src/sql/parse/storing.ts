// CREATE INDEX … STORING (…) says what INCLUDE (…) says, in as many letters, so that all places stay as they are.

import { END, Lexer, SYMBOL, WORD } from './lexer.ts';

const LENGTH = 'storing'.length;

/** The text as PostgreSQL's grammar takes it. */
export function withInclude(text: string): string {
  if (!/\bstoring\b/i.test(text)) return text;
  const lexer = new Lexer();
  lexer.reset(text);
  const places: number[] = [];
  let isFirst = true;
  let isCreate = false;
  let isIndex = false;
  for (let kind = lexer.next(); kind !== END; kind = lexer.next()) {
    const isShort = kind === WORD && lexer.end - lexer.start <= LENGTH;
    const word = isShort ? lexer.word() : '';
    if (kind === SYMBOL && text[lexer.start] === ';') {
      isFirst = true;
      isCreate = false;
      isIndex = false;
      continue;
    }
    if (isFirst) isCreate = word === 'create';
    else if (isCreate && word === 'index') isIndex = true;
    isFirst = false;
    // Behind the index's columns; what is called so elsewhere is a name.
    const isClause = isIndex && word === 'storing' && /\)\s*$/.test(text.slice(0, lexer.start));
    if (isClause) places.push(lexer.start);
  }
  let out = text;
  for (const at of places) out = `${out.slice(0, at)}INCLUDE${out.slice(at + LENGTH)}`;
  return out;
}
