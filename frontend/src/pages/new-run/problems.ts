/**
 * What is wrong, by the field that it is about. The server says "lora_r: must be …; eval_split: must be …"; what
 * names no known field stands under "".
 */
export function problemsOf(
  detail: string,
  names: ReadonlySet<string>,
  field: string | null,
): Map<string, string> {
  if (field !== null && names.has(field)) return new Map([[field, detail]]);
  const problems = new Map<string, string>();
  let at = "";
  for (const part of detail.split("; ")) {
    const [, named, words] = /^([a-z][a-z0-9_]*)[.\d\w]*: ([\s\S]*)$/.exec(part) ?? [];
    const known = named !== undefined && words !== undefined && names.has(named);
    if (known) at = named;
    const said = known ? words : part;
    problems.set(at, problems.has(at) ? `${problems.get(at)}; ${said}` : said);
  }
  // A combination is refused without a field before it: it is to be changed at the first that it names. Many fields
  // are called by words that stand in any sentence, though, and count at its beginning alone.
  const loose = problems.get("");
  const about = loose
    ?.match(/[a-z][a-z0-9_]*/g)
    ?.find((word, at) => names.has(word) && (word.includes("_") || (at === 0 && loose.startsWith(word))));
  if (loose !== undefined && about !== undefined && !problems.has(about)) problems.set(about, loose);
  return problems;
}
