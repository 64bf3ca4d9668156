import { Button } from "@mantine/core";
import { Refusal } from "../api/client";
import { text } from "../text";
import { Card } from "./card";

/** Why something is not shown, in the server's words, and a way to try again. */
export function Refused({ error, retry }: { error: Error; retry?: () => unknown }) {
  const refusal = error instanceof Refusal ? error : null;
  return (
    <Card kind="bad">
      <div role="alert">
        <strong>{refusal?.title ?? text.shell.fault.title}</strong>
        <p>{refusal?.detail ?? text.shell.fault.detail}</p>
      </div>
      {retry && (
        <Button size="xs" variant="default" onClick={() => retry()}>
          {text.shell.retry}
        </Button>
      )}
    </Card>
  );
}
