/** Where so many characters after `from` end. The API counts characters as code points, strings here UTF-16 units. */
function after(text: string, characters: number, from = 0): number {
  let at = from;
  for (let passed = 0; passed < characters && at < text.length; passed += 1) {
    at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  }
  return at;
}

/** The text before, in and after a passage that begins at a character and is as long as `passage`. */
export function split(text: string, start: number, passage: string): [string, string, string] {
  const from = after(text, start);
  const to = from + passage.length;
  return [text.slice(0, from), text.slice(from, to), text.slice(to)];
}
