/** What can deceive whoever reads a text that hostile code has made: as it stands it could paint over lines of ours, turn them around, or
 *  hide in them. For `replace()`. */

/** Controls, format characters, unassigned and private ones, line separators, blanks that are not the blank, and everything
 *  that is drawn as nothing. */
export const unfitCharacters: RegExp = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu;
/** A combining mark that does not stand on a letter, or is one of many; scripts that are written from right to left. */
export const unfitInLine: RegExp =
  /(?<!\p{L})\p{M}|(?<=\p{M}\p{M})\p{M}|[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/gu;
