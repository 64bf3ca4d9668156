export const shell = {
  name: "ModelForge",
  skip: "Skip to the content",
  menu: "Menu",
  navigation: "Pages",
  pages: {
    home: "Home",
    datasets: "Datasets",
    newRun: "New run",
    runs: "Runs",
    models: "Models",
    playground: "Playground",
    system: "System",
  },
  apiDocs: "API reference",
  scheme: { label: "Appearance", auto: "As the system", light: "Light", dark: "Dark" },
  loading: "Loading…",
  lost: "The connection to the server is lost. Trying again…",
  unreachable: {
    title: "The server does not answer",
    detail: "Look whether `modelforge serve` still runs, then try again. Trainings go on without it.",
  },
  strange: {
    title: "The answer did not come from ModelForge",
    detail: (status: number) =>
      `Something between this page and the server answered with status ${status}. Look at the reverse proxy, or reload the page.`,
  },
  fault: {
    title: "This page broke",
    detail: "It is a fault of ModelForge, not yours. Nothing is lost: runs and data are with the server.",
    again: "Try again",
  },
  part: {
    title: "This page did not load",
    detail:
      "The server does not answer, or it was upgraded since this tab was opened. Look whether `modelforge serve` still runs, then reload.",
    reload: "Reload",
  },
  notFound: {
    title: "There is no such page",
    detail: "The address may be mistyped, or what was there is gone.",
    home: "Go to Home",
  },
  retry: "Try again",
  dismiss: "Dismiss",
  cancel: "Cancel",
  copying: { copy: "Copy", copied: "Copied", selected: "Selected: press Ctrl+C" },
  key: {
    title: "This server asks for a key",
    about: "Who runs it makes one with",
    command: "modelforge keys create",
    label: "API key",
    kept: "It is kept in this tab until you close it, and is sent to this server alone.",
    open: "Open the studio",
  },
};
