import { createFileRoute } from "@tanstack/react-router";
import { Model } from "../../pages/models/model";
import { model } from "../../pages/models/queries";

export const Route = createFileRoute("/models/$modelId")({
  params: {
    parse: ({ modelId }) => ({ modelId: Number(modelId) }),
    stringify: ({ modelId }) => ({ modelId: String(modelId) }),
  },
  loader: ({ context, params }) => context.queries.ensureQueryData(model(params.modelId)),
  component: Shown,
});

function Shown() {
  const { modelId } = Route.useParams();
  return <Model key={modelId} id={modelId} />;
}
