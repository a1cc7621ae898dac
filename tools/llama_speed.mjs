// Tokens per second of a GGUF decoder in llama.cpp on the CPU, driven through node-llama-cpp's own binding: one call
// for the prompt, then one call for each token with its logits, nothing sampled and nothing else awaited.
//
// Usage:
//   NODE_LLAMA_CPP=FOLDER/node_modules/node-llama-cpp node tools/llama_speed.mjs MODEL.gguf PROMPT GENERATE THREADS
//
// Prints one JSON object: {"prefill": [...], "decode": [...]}, a figure a round.
import {createRequire} from "node:module";
import path from "node:path";
import {pathToFileURL} from "node:url";

const [modelPath, ...numbers] = process.argv.slice(2);
const [prompt, generate, threads] = numbers.map(Number);
const library = process.env.NODE_LLAMA_CPP;
if (!(threads >= 1) || library === undefined) {
    console.error("usage: NODE_LLAMA_CPP=... node llama_speed.mjs MODEL.gguf PROMPT GENERATE THREADS");
    process.exit(2);
}
const ROUNDS = 5;
const {getLlama} = await import(pathToFileURL(createRequire(import.meta.url).resolve(path.resolve(library))));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: threads});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({
    contextSize: prompt + generate,
    batchSize: prompt,
    threads: {ideal: threads, min: threads},
    flashAttention: true
});
const sequence = context.getSequence();
const binding = context._ctx;
binding.setThreads(threads);
const vocabulary = 30000; // of the synthetic model 32,000; any ids will do
const tokens = Uint32Array.from({length: prompt + generate}, (_, i) => 10 + (i * 7919) % (vocabulary - 10));
const last = (count) => Uint32Array.of(count - 1);

async function step(from, to) {
    binding.initBatch(to - from);
    binding.addToBatch(0, from, tokens.subarray(from, to), last(to - from));
    await binding.decodeBatch();
}

const prefill = [];
const decode = [];
for (let round = -1; round < ROUNDS; round++) { // the first warms up
    await sequence.clearHistory();
    binding.disposeSequence(0);
    const start = performance.now();
    await step(0, prompt);
    const read = performance.now();
    for (let i = prompt; i < prompt + generate; i++) await step(i, i + 1);
    if (round >= 0) {
        prefill.push(1000 * prompt / (read - start));
        decode.push(1000 * generate / (performance.now() - read));
    }
}
console.log(JSON.stringify({prefill, decode}));
process.exit(0);
