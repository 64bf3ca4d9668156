import { useQuery } from "@tanstack/react-query";
import { useFollowing } from "../../api/following";
import { samplesOf } from "../../api/jobs";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { Missing } from "../../ui/missing";
import { Prompt } from "./prompt";
import classes from "./run.module.css";
import { byPrompt } from "./samples";

const words = text.run.samples;

/** What the model says to the same few prompts as it learns. */
export function SamplesView({ id }: { id: string }) {
  const asked = useQuery(samplesOf(id));
  useFollowing(id, asked.refetch);

  if (!asked.data) return <Missing of={asked} lines={6} />;
  if (asked.data.total === 0) return <Empty {...words.none} />;
  return (
    <div className={classes.samples}>
      {byPrompt(asked.data.samples).map((each) => (
        <Prompt key={each.prompt} {...each} />
      ))}
    </div>
  );
}
