import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { api, body } from "../../api/client";
import { models } from "../../api/queries";
import type { ModelSummary } from "../../api/schema";
import { say, tell } from "../../shell/notices";
import { text } from "../../text";

type Named = Pick<ModelSummary, "id" | "name">;

const at = (id: number) => ({ params: { path: { model_id: id } } });

/** Delete a model, and show the list, which offers to undo it. */
export function useDelete() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: ({ id }: Named) => body(api.DELETE("/api/models/{model_id}", at(id))),
    onSuccess: async ({ restorable_until }, { id, name }) => {
      if (restorable_until === null) say(text.models.remove.gone(name));
      await navigate({ to: "/models", search: restorable_until === null ? {} : { deleted: id } });
      queries.removeQueries({ queryKey: ["models", id] });
      await queries.invalidateQueries(models);
    },
    onError: tell,
  });
}

export function useRestore() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id }: Named) => body(api.POST("/api/trash/{model_id}/restore", at(id))),
    onSuccess: (_, { name }) => say(text.models.trash.restored(name)),
    onError: tell,
    onSettled: () => queries.invalidateQueries(models),
  });
}

export function usePurge() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id }: Named) => body(api.DELETE("/api/trash/{model_id}", at(id))),
    onSuccess: (_, { name }) => say(text.models.trash.purged(name)),
    onError: tell,
    onSettled: () => queries.invalidateQueries(models),
  });
}

export function useRename(id: number) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => body(api.PATCH("/api/models/{model_id}", { ...at(id), body: { name } })),
    onSuccess: ({ name }) => {
      say(text.models.rename.done(name));
      return queries.invalidateQueries(models);
    },
  });
}
