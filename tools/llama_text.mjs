// What llama.cpp writes greedily behind prompts, on the CPU, as a golden text for Lathe's tests.
//
// Usage:
//   NODE_LLAMA_CPP=that/folder/node_modules/node-llama-cpp \
//     node tools/llama_text.mjs MODEL.gguf PROMPTS.json TOKENS OUT.json
//
// PROMPTS.json: an array of arrays of token ids, taken as they are. OUT.json: for each of them an object with the
// prompt and the TOKENS ids that follow. Keys and values are kept in float16, as llama.cpp and Lathe do by default.
import {createRequire} from "node:module";
import fs from "node:fs";
import path from "node:path";
import {pathToFileURL} from "node:url";

const [modelPath, promptsPath, tokens, outPath] = process.argv.slice(2);
if (outPath === undefined) {
    console.error("usage: node llama_text.mjs MODEL.gguf PROMPTS.json TOKENS OUT.json");
    process.exit(2);
}
const library = process.env.NODE_LLAMA_CPP;
const {getLlama} = library === undefined
    ? await import("node-llama-cpp")
    : await import(pathToFileURL(createRequire(import.meta.url).resolve(path.resolve(library))));

const prompts = JSON.parse(fs.readFileSync(promptsPath, "utf8"));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath});
const longest = Math.max(...prompts.map((prompt) => prompt.length)) + Number(tokens);
const context = await model.createContext({contextSize: longest + 8, threads: 1, flashAttention: false});
const sequence = context.getSequence();
const results = [];
for (const prompt of prompts) {
    await sequence.clearHistory();
    const output = [];
    for await (const token of sequence.evaluate(prompt, {temperature: 0, yieldEogToken: true})) {
        output.push(token);
        if (output.length === Number(tokens)) break;
    }
    results.push({prompt, output});
}
fs.writeFileSync(outPath, JSON.stringify(results));
await context.dispose();
await model.dispose();
await llama.dispose();
