import { QueryClient } from "@tanstack/react-query";
import { createRouter } from "@tanstack/react-router";
import { Refusal, Unreachable } from "./api/client";
import { root } from "./api/root";
import { routeTree } from "./routes.gen";
import { Fault, NotFound } from "./shell/fault";
import { Loading } from "./ui/loading";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // What the server refused it refuses again.
      retry: (failures, error) =>
        failures < 2 && (error instanceof Unreachable || !(error instanceof Refusal)),
      staleTime: 5000,
      networkMode: "always",
    },
    // A click while the network is gone fails at once; it is not kept to be done behind somebody's back later. The
    // server may be on this very machine, which needs no network.
    mutations: { networkMode: "always" },
  },
});

export const router = createRouter({
  routeTree,
  basepath: root || "/",
  context: { queries },
  scrollRestoration: true,
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0,
  defaultPendingMs: 60,
  defaultPendingMinMs: 0,
  defaultPendingComponent: Loading,
  defaultErrorComponent: Fault,
  defaultNotFoundComponent: NotFound,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
