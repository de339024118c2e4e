// The two models: paths of GGUF files.
export const models = { prefill: { model: "full.gguf" }, decode: { model: "small.gguf" } };
export const options = { system: "You are brief." };
