import { Tabs } from "@mantine/core";
import type { RequestText } from "../api/schema";
import { text } from "../text";
import { Code } from "./code";

const FORMS = ["json_body", "yaml", "curl"] as const;

/** The request in three forms, to copy. */
export function AsText({ request }: { request: RequestText }) {
  return (
    <Tabs defaultValue="json_body">
      <Tabs.List mb="xs" aria-label={text.names.request.title}>
        {FORMS.map((form) => (
          <Tabs.Tab key={form} value={form}>
            {text.names.request[form]}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {FORMS.map((form) => (
        <Tabs.Panel key={form} value={form}>
          <Code label={text.names.request[form]}>{request[form]}</Code>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
