import { describe, expect, it } from "vitest";
import { optionsFor } from "./reading";

describe("reading", () => {
  it.each([
    ["faq.CSV", ["encoding", "delimiter", "header"]],
    ["faq.xlsx", ["sheet", "header"]],
    ["faq.parquet", []],
    ["/data/faq", ["encoding", "delimiter", "header", "sheet", "field"]],
    ["faq.csv.gz", ["encoding", "delimiter", "header", "sheet", "field"]],
  ])("what can be said of %s", (name, options) => expect(optionsFor(name)).toEqual(options));
});
