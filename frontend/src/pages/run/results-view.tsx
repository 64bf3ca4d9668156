import type { JobDetail } from "../../api/schema";
import { BeforeAfter } from "../../measures/before-after";
import { text } from "../../text";
import { Empty } from "../../ui/card";

/** What was measured at the end, and the same of what it was trained from. */
export function ResultsView({ job }: { job: JobDetail }) {
  return job.metrics ? <BeforeAfter metrics={job.metrics} /> : <Empty {...text.run.results.none} />;
}
