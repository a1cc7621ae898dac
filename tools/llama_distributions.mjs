// Next-token distributions of a GGUF model as llama.cpp computes them on the CPU, to compare with Lathe's.
//
// Usage:
//   npm install --ignore-scripts node-llama-cpp        (once, in some folder)
//   NODE_LLAMA_CPP=that/folder/node_modules/node-llama-cpp \
//     node tools/llama_distributions.mjs MODEL.gguf WINDOWS.json OUT.bin
//
// WINDOWS.json: an array of arrays of token ids; every window is evaluated by itself, from position 0, exactly these
// ids (no BOS is added).
// OUT.bin, little-endian: int32 vocabulary size, int32 number of positions; then for every position of every window,
// in order, one row of float32 log-probabilities [vocabulary] of the token that comes next. With OUT.json instead, an
// array of windows, each an array of rows.
//
// Keys and values are kept in float32, and flash attention is off, so that what differs from another implementation is
// the weights' arithmetic alone: llama.cpp multiplies quantized weights by activations rounded to 8 bits.
import {createRequire} from "node:module";
import fs from "node:fs";
import path from "node:path";
import {pathToFileURL} from "node:url";

const [modelPath, windowsPath, outPath] = process.argv.slice(2);
if (outPath === undefined) {
    console.error("usage: node llama_distributions.mjs MODEL.gguf WINDOWS.json OUT.bin|OUT.json");
    process.exit(2);
}
const library = process.env.NODE_LLAMA_CPP;
const {getLlama} = library === undefined
    ? await import("node-llama-cpp")
    : await import(pathToFileURL(createRequire(import.meta.url).resolve(path.resolve(library))));

const windows = JSON.parse(fs.readFileSync(windowsPath, "utf8"));
const longest = Math.max(...windows.map((window) => window.length));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath});
const context = await model.createContext({
    contextSize: longest,
    threads: 1, // more than one spin while they wait for each other
    batchSize: longest,
    flashAttention: false,
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32"
});
const sequence = context.getSequence();

let vocabulary = 0;
const rows = [];
for (const window of windows) {
    await sequence.clearHistory();
    const outputs = await sequence.controlledEvaluate(
        window.map((token) => [token, {generateNext: {logits: true}}])
    );
    const windowRows = [];
    for (const output of outputs) {
        const logits = output.next.logits;
        vocabulary = Math.max(vocabulary, logits.size);
        let max = -Infinity;
        for (const logit of logits.values()) max = Math.max(max, logit);
        let sum = 0;
        for (const logit of logits.values()) sum += Math.exp(logit - max);
        const normalizer = max + Math.log(sum);
        const row = new Float32Array(logits.size);
        for (const [token, logit] of logits) row[token] = logit - normalizer;
        windowRows.push(row);
    }
    rows.push(windowRows);
    console.error(`${rows.length} of ${windows.length} windows`);
}

if (outPath.endsWith(".json")) {
    fs.writeFileSync(outPath, JSON.stringify(rows.map((window) => window.map((row) => Array.from(row)))));
} else {
    const all = rows.flat();
    const out = Buffer.alloc(8 + 4 * vocabulary * all.length);
    out.writeInt32LE(vocabulary, 0);
    out.writeInt32LE(all.length, 4);
    all.forEach((row, position) => {
        row.forEach((value, token) => out.writeFloatLE(value, 8 + 4 * (position * vocabulary + token)));
    });
    fs.writeFileSync(outPath, out);
}
await context.dispose();
await model.dispose();
await llama.dispose();
