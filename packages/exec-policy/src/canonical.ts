/** Text folded so that case and the composition of accents do not count: full case folding and canonical equivalence, without
 *  compatibility equivalence and without the Turkish rule. */

const isAscii = /^[\0-\x7f]*$/;
const dotlessI = "\u0131";
const known = new Map<string, string>();
const maxKnown = 10_000;

/** Folding never makes a text shorter than half of it (astral ideographs become single units), so a long token is told apart
 *  from a short one of a rule without folding it: tokens are the caller's, and may be megabytes. */
export function isCanonicallyEqual(ofRule: string, token: string): boolean {
  const wanted = canonicalText(ofRule);
  return token.length <= 2 * wanted.length && canonicalText(token) === wanted;
}

export function canonicalText(text: string): string {
  if (isAscii.test(text)) return text.toLowerCase();
  const before = known.get(text);
  if (before !== undefined) return before;
  const folded = Array.from(text.normalize("NFD"), foldCharacter).join("").normalize("NFD");
  // Tokens of an agent's commands: too many of them to keep them all.
  if (known.size >= maxKnown) known.clear();
  known.set(text, folded);
  return folded;
}

function foldCharacter(character: string): string {
  if (character === dotlessI) return character;
  // First to lower case: the capital sharp s has no other way. One character at a time, so that no final sigma is made.
  return Array.from(character.toLowerCase().toUpperCase(), (upper) => upper.toLowerCase()).join("");
}
