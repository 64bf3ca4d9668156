import { useQuery } from "@tanstack/react-query";
import { samplesOf } from "../../api/jobs";
import type { JobDetail } from "../../api/schema";
import { BeforeAfter } from "../../measures/before-after";
import { holdsOut } from "../../measures/measures";
import { text } from "../../text";
import { Empty } from "../../ui/card";
import { Section } from "../../ui/page";
import { Prompt } from "./prompt";
import classes from "./run.module.css";
import { byPrompt } from "./samples";

const SHOWN = 3;

/** What it says now, and what was measured at the end; beside both, the same of what it was trained from. */
export function ResultsView({ job }: { job: JobDetail }) {
  const words = text.run.results;
  const asked = useQuery(samplesOf(job.id));
  if (!job.metrics) return <Empty {...words.none} />;
  const prompts = byPrompt(asked.data?.samples ?? [])
    .filter(({ expected }) => expected !== null)
    .slice(0, SHOWN);
  return (
    <>
      {prompts.length > 0 && (
        <Section title={words.says}>
          <div className={classes.samples}>
            {prompts.map(({ said, ...each }) => (
              <Prompt key={each.prompt} {...each} said={ends(said)} />
            ))}
          </div>
        </Section>
      )}
      <Section title={words.measured}>
        <BeforeAfter metrics={job.metrics} heldOut={holdsOut(job.config)} />
      </Section>
    </>
  );
}

/** The newest and the first, which may be one. */
function ends<Item>(items: readonly Item[]): Item[] {
  return [...new Set([...items.slice(0, 1), ...items.slice(-1)])];
}
