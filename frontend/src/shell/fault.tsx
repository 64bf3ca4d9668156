import { Button } from "@mantine/core";
import type { ErrorComponentProps } from "@tanstack/react-router";
import { Link, useRouter } from "@tanstack/react-router";
import { Refusal } from "../api/client";
import { text } from "../text";
import { Page } from "../ui/page";
import { isFailedImport } from "./imports";

/** What stands in the place of a page that broke, or that the server refused. */
export function Fault({ error, reset }: ErrorComponentProps) {
  const router = useRouter();
  const refusal = error instanceof Refusal ? error : null;
  if (isFailedImport(error)) {
    return (
      <Page title={text.shell.part.title} narrow>
        <p>{text.shell.part.detail}</p>
        <Button onClick={() => location.reload()}>{text.shell.part.reload}</Button>
      </Page>
    );
  }
  return (
    <Page title={refusal?.title ?? text.shell.fault.title} narrow>
      <p>{refusal?.detail ?? text.shell.fault.detail}</p>
      {refusal === null && error instanceof Error && <pre>{error.message}</pre>}
      <Button
        onClick={() => {
          reset();
          void router.invalidate();
        }}
      >
        {text.shell.fault.again}
      </Button>
    </Page>
  );
}

export function NotFound() {
  return (
    <Page title={text.shell.notFound.title} narrow>
      <p>{text.shell.notFound.detail}</p>
      <p>
        <Link to="/">{text.shell.notFound.home}</Link>
      </p>
    </Page>
  );
}
