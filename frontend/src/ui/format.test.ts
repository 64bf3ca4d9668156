import { describe, expect, it } from "vitest";
import { bytes, count, duration, measured, percent, short } from "./format";

describe("format", () => {
  it("groups large counts", () => expect(count(1234567)).toBe("1,234,567"));

  it("speaks large numbers", () => expect(short(7_615_616_512)).toBe("7.62 billion"));

  it.each([
    [null, "–"],
    [0, "0"],
    [0.23412, "0.2341"],
    [12.3456, "12.35"],
    [0.0002, "2.0e-4"],
  ])("measured %s", (value, shown) => expect(measured(value)).toBe(shown));

  it.each([
    [999, "999 B"],
    [1000, "1.0 kB"],
    [5_200_000, "5.2 MB"],
    [20_000_000_000, "20 GB"],
  ])("bytes %s", (value, shown) => expect(bytes(value)).toBe(shown));

  it.each([
    [0.2, "1 s"],
    [89, "89 s"],
    [600, "10 min"],
    [7500, "2 h 5 min"],
  ])("duration %s", (value, shown) => expect(duration(value)).toBe(shown));

  it.each([
    [0, "0 %"],
    [0.0131, "1.3 %"],
    [0.5, "50 %"],
  ])("percent %s", (value, shown) => expect(percent(value)).toBe(shown));
});
