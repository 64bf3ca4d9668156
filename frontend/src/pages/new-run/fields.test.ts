import { describe, expect, it } from "vitest";
import {
  changed,
  differing,
  type Field,
  fieldsOf,
  found,
  type Given,
  givenOf,
  grouped,
  parsed,
  settingsOf,
  shown,
  takenBy,
} from "./fields";

const SCHEMA = {
  properties: {
    dataset: { type: "string", description: "The data to learn from." },
    lora_r: {
      title: "LoRA rank",
      type: "integer",
      minimum: 1,
      maximum: 256,
      default: 16,
      description: "Rank of the LoRA matrices.",
      "x-group": "Adapter",
      "x-advanced": false,
    },
    strategy: { type: "string", enum: ["sft", "dpo"], default: "sft", description: "The method." },
    eval_split: {
      type: "number",
      minimum: 0,
      exclusiveMaximum: 1,
      default: 0.2,
      description: "Share held out.",
    },
    learning_rate: {
      anyOf: [{ type: "number", exclusiveMinimum: 0, maximum: 1 }, { type: "null" }],
      description: "Peak learning rate.",
    },
    max_steps: { type: "integer", minimum: -1, maximum: 10_000_000, default: -1 },
    bf16: { anyOf: [{ type: "boolean" }, { type: "null" }], description: "Not with ``fp16``." },
    target_modules: {
      anyOf: [{ type: "string" }, { type: "array", items: { type: "string" } }],
      default: "all-linear",
      "x-group": "Adapter",
    },
    loss_type: {
      anyOf: [
        { type: "string", enum: ["sigmoid", "ipo"] },
        { type: "array", items: { type: "string", enum: ["sigmoid", "ipo"] } },
        { type: "null" },
      ],
    },
    mix: { anyOf: [{ type: "array", items: { $ref: "#/components/schemas/MixPart" } }, { type: "null" }] },
    loss_weights: { anyOf: [{ type: "array", items: { type: "number" } }, { type: "null" }] },
    name: { anyOf: [{ type: "string" }, { type: "null" }] },
  },
};
const FIELDS = fieldsOf({ components: { schemas: { TrainingConfig: SCHEMA } } });
const field = (name: string) => FIELDS.find((each) => each.name === name) as Field;

describe("fields of the schema", () => {
  it.each([
    ["dataset", "text"],
    ["lora_r", "whole"],
    ["strategy", "choice"],
    ["eval_split", "number"],
    ["learning_rate", "number"],
    ["bf16", "flag"],
    ["target_modules", "lines"],
    ["loss_type", "lines"],
    ["loss_weights", "numbers"],
  ])("%s is asked for as %s", (name, kind) => expect(field(name).kind).toBe(kind));

  it("keeps the schema's order, hints, groups and defaults", () => {
    expect(FIELDS.map((each) => each.name)).toEqual(Object.keys(SCHEMA.properties));
    expect(field("lora_r")).toMatchObject({
      label: "LoRA rank",
      about: "Rank of the LoRA matrices.",
      group: "Adapter",
      advanced: false,
      preset: 16,
    });
    expect(field("bf16").about).toBe("Not with fp16.");
    expect(field("learning_rate").preset).toBeNull();
    expect(field("loss_type").choices).toEqual(["sigmoid", "ipo"]);
  });

  it.each([
    ["lora_r", "From 1 to 256."],
    ["eval_split", "From 0, below 1."],
    ["learning_rate", "Above 0 to 1."],
    ["max_steps", "From -1."],
    ["bf16", ""],
  ])("says the bounds of %s", (name, bounds) => expect(field(name).bounds).toBe(bounds));
});

describe("what is typed", () => {
  it.each([
    ["lora_r", " 32 ", 32],
    ["lora_r", "", undefined],
    ["lora_r", "many", "many"],
    ["learning_rate", "2e-4", 0.0002],
    ["learning_rate", "0,001", 0.001],
    ["bf16", "false", false],
    ["bf16", "true", true],
    ["bf16", "perhaps", "perhaps"],
    ["target_modules", "q_proj", "q_proj"],
    ["target_modules", "q_proj\n v_proj\n", ["q_proj", "v_proj"]],
    ["loss_weights", "1, 3", [1, 3]],
    ["loss_weights", "0.7, 0.3,", [0.7, 0.3]],
    ["lora_r", "1,000", 1000],
    ["max_steps", "1,000,000", 1_000_000],
    ["max_steps", "-1", -1],
    ["lora_r", "1,5", "1,5"],
    ["lora_r", "1.000", "1.000"],
    ["learning_rate", "1,000", "1,000"],
    ["learning_rate", "0,5", 0.5],
  ])("%s from %j", (name, typed, value) => expect(parsed(field(name), typed)).toEqual(value));

  it.each([
    ["lora_r", 32],
    ["bf16", false],
    ["target_modules", ["q_proj", "v_proj"]],
    ["loss_weights", [1, 3]],
  ])("%s comes back as it is shown", (name, value) =>
    expect(parsed(field(name), shown(value, field(name).kind))).toEqual(value),
  );
});

describe("a request", () => {
  it("differs by what is not the default", () => {
    const given = { lora_r: 16, strategy: "dpo", learning_rate: 0.1 } as const;
    expect(differing(given, FIELDS).map((each) => each.name)).toEqual(["strategy", "learning_rate"]);
  });

  it("begins with a job's settings, without its name and what the schema says anyway", () => {
    const config = {
      dataset: "a.csv",
      lora_r: 8,
      strategy: "sft",
      learning_rate: null,
      name: "mine",
      gone: 1,
    };
    expect(settingsOf(config, FIELDS)).toEqual({ dataset: "a.csv", lora_r: 8 });
  });

  it("is changed, and null takes a field out", () => {
    expect(changed({ dataset: "a.csv", lora_r: 8 }, { lora_r: null, seed: 1 })).toEqual({
      dataset: "a.csv",
      seed: 1,
    });
  });
});

describe("an address", () => {
  it.each([
    [{ mix: "x" }, {}],
    [{ mix: [{ dataset: 5 }] }, {}],
    [{ mix: [{ dataset: "b.csv", weight: 0.5 }] }, { mix: [{ dataset: "b.csv", weight: 0.5 }] }],
    [{ dataset: { a: 1 }, lora_r: [1], nothing: "x" }, {}],
    [
      { dataset: 5, name: true },
      { dataset: "5", name: "true" },
    ],
    // The server says at the field why it cannot be.
    [
      { lora_r: "many", bf16: "perhaps" },
      { lora_r: "many", bf16: "perhaps" },
    ],
    [{ loss_weights: 3 }, { loss_weights: [3] }],
  ])("%j is the request %j", (address, given) => expect(givenOf(address, FIELDS)).toEqual(given));
});

it("options of another task or method are left out unless they are set", () => {
  const choices = [
    { name: "dpo", options: ["loss_type", "loss_weights"] },
    { name: "sft", options: [] },
  ];
  const names = (given: Given) => takenBy(FIELDS, given, choices).map((each) => each.name);
  expect(names({ strategy: "dpo" })).toContain("loss_type");
  expect(names({ strategy: "sft" })).not.toContain("loss_type");
  expect(names({ strategy: "sft", loss_type: "ipo" })).toContain("loss_type");
  expect(names({ strategy: "sft" })).toContain("lora_r");
});

it("options are found by every word of their name or hint", () => {
  expect(found(FIELDS, "LORA rank").map((each) => each.name)).toEqual(["lora_r"]);
  expect(found(FIELDS, "")).toHaveLength(FIELDS.length);
});

it("groups keep their order", () => {
  const groups = grouped([field("lora_r"), field("dataset"), field("target_modules")]);
  expect(groups.map(([name, members]) => [name, members.length])).toEqual([
    ["Adapter", 2],
    ["", 1],
  ]);
});
