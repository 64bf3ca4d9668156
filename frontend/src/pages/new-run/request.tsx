import { Tabs } from "@mantine/core";
import type { RequestText } from "../../api/schema";
import { text } from "../../text";
import { Copy } from "../../ui/copy";

const FORMS = ["json_body", "yaml", "curl"] as const;

/** The request in three forms, to copy. */
export function AsText({ request }: { request: RequestText }) {
  return (
    <Tabs defaultValue="json_body">
      <Tabs.List mb="xs" aria-label={text.newRun.request.title}>
        {FORMS.map((form) => (
          <Tabs.Tab key={form} value={form}>
            {text.newRun.request[form]}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {FORMS.map((form) => (
        <Tabs.Panel key={form} value={form}>
          <Copy label={text.newRun.request[form]}>{request[form]}</Copy>
        </Tabs.Panel>
      ))}
    </Tabs>
  );
}
