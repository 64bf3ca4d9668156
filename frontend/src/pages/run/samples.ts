import type { JobSample } from "../../api/schema";

/** What was said to one prompt, the newest first. */
export interface Asked {
  prompt: string;
  expected: string | null;
  said: JobSample[];
}

/** Samples by their prompt, in the order in which the prompts were first asked. Of a step the last attempt's stands. */
export function byPrompt(samples: readonly JobSample[]): Asked[] {
  const prompts = new Map<string, Map<number, JobSample>>();
  for (const sample of samples) {
    const said = prompts.get(sample.prompt) ?? new Map<number, JobSample>();
    prompts.set(sample.prompt, said);
    said.set(sample.step, sample);
  }
  return [...prompts].map(([prompt, steps]) => {
    const said = [...steps.values()].sort((a, b) => b.step - a.step);
    return { prompt, expected: said.find((each) => each.expected)?.expected ?? null, said };
  });
}
