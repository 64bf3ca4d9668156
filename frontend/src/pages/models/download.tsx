import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { api, body } from "../../api/client";
import { key } from "../../api/key";
import { root } from "../../api/root";
import type { ModelDetail } from "../../api/schema";
import { tell } from "../../shell/notices";
import { text } from "../../text";
import { save } from "../../ui/save";

/** The model's folder as a zip. */
export function Download({ model }: { model: ModelDetail }) {
  const fetched = useMutation({ mutationFn: () => fetchWithKey(model), onError: tell });
  if (key() === null) {
    return (
      <Button variant="default" component="a" href={`${root}/api/models/${model.id}/download`} download>
        {text.models.download.action}
      </Button>
    );
  }
  return (
    <Button variant="default" disabled={fetched.isPending} onClick={() => fetched.mutate()}>
      {fetched.isPending ? text.models.download.busy : text.models.download.action}
    </Button>
  );
}

/** A link sends no key: the browser gathers the file first. */
async function fetchWithKey({ id, name }: ModelDetail): Promise<void> {
  const path = "/api/models/{model_id}/download";
  const zip = await body(api.GET(path, { params: { path: { model_id: id } }, parseAs: "blob" }));
  save(zip, `${name}.zip`);
}
