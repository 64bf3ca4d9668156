import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { samplesOf } from "../../api/jobs";
import { text } from "../../text";
import classes from "./playground.module.css";

const SHOWN = 3;
/** A prompt with more characters is no question to begin with. */
const LONGEST = 120;

/** Questions of the data, to begin with. */
export function Suggestions({ job, ask }: { job: string; ask: (prompt: string) => void }) {
  const asked = useQuery(samplesOf(job));
  const prompts = [...new Set(asked.data?.samples.map((each) => each.prompt))]
    .filter((prompt) => prompt.length <= LONGEST)
    .slice(0, SHOWN);
  if (prompts.length === 0) return null;
  return (
    <fieldset className={classes.suggestions}>
      <legend>{text.playground.suggestions}</legend>
      {prompts.map((prompt) => (
        <Button key={prompt} size="xs" variant="default" onClick={() => ask(prompt)}>
          {prompt}
        </Button>
      ))}
    </fieldset>
  );
}
