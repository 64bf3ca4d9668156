import { queryOptions } from "@tanstack/react-query";
import { api, body } from "../../api/client";

export const model = (id: number) =>
  queryOptions({
    queryKey: ["models", id],
    queryFn: () => body(api.GET("/api/models/{model_id}", { params: { path: { model_id: id } } })),
  });

export const usage = (id: number) =>
  queryOptions({
    queryKey: ["models", id, "usage"],
    queryFn: () => body(api.GET("/api/models/{model_id}/usage", { params: { path: { model_id: id } } })),
  });

export const trash = queryOptions({
  queryKey: ["models", "trash"],
  queryFn: () => body(api.GET("/api/trash")),
});
