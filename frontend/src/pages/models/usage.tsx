import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { text } from "../../text";
import { Code } from "../../ui/code";
import { Missing } from "../../ui/missing";
import classes from "./models.module.css";
import { usage } from "./queries";

const WAYS = ["python", "curl", "transformers"] as const;
type Way = (typeof WAYS)[number];

/** Code that asks this model, as the server writes it. */
export function Usage({ id }: { id: number }) {
  const told = useQuery(usage(id));
  const [chosen, setChosen] = useState<Way>("python");
  if (!told.data) return <Missing of={told} />;
  const { data } = told;
  const ways = WAYS.filter((way) => data[way] !== null);
  return (
    <div className={classes.usage}>
      <SegmentedControl
        aria-label={text.models.use.label}
        value={chosen}
        onChange={(value) => setChosen(ways.find((way) => way === value) ?? "python")}
        data={ways.map((value) => ({ value, label: text.models.use[value] }))}
      />
      <Code label={text.models.use[chosen]}>{data[chosen] ?? ""}</Code>
    </div>
  );
}
