/** What the server's names are called on every page. */
export const names = {
  states: {
    idle: "Idle",
    queued: "Waiting",
    starting: "Starting",
    training: "Training",
    saving: "Saving",
    completed: "Completed",
    failed: "Failed",
    stopped: "Stopped",
    interrupted: "Interrupted",
  },
  tasks: {
    "text-generation": "Text generation",
    summarization: "Summarization",
    "extractive-question-answering": "Extractive question answering",
  } as Record<string, string>,
  request: { title: "The request", json_body: "JSON", yaml: "YAML", curl: "curl" },
};
