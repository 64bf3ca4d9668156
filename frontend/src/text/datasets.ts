export const datasets = {
  operationFailed: {
    import: "The data could not be brought in",
    edit: "The rows could not be changed",
    fix: "The fixes could not be applied",
    map: "The columns could not be mapped",
    check: "The closer look ended early",
  },
};
