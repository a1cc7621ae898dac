// Compares what LogitDump wrote of a GGUF model with what llama.cpp makes of the same file.
//
// Usage: NODE_LLAMA_CPP=folder/node_modules/node-llama-cpp node tools/compare_llama_cpp.mjs MODEL.gguf OUT [LLAMA.bin]
//
// OUT is LogitDump's last argument. The paragraphs of OUT.texts.json must get the same token ids. With LLAMA.bin (of
// tools/llama_distributions.mjs, for OUT.windows.json) KL(Lathe || llama.cpp) of the next-token distributions is printed
// and its mean must stay below 1e-3. Without, the model is an encoder: the cosine of each paragraph's embedding must
// be above 0.999.
import {createRequire} from "node:module";
import fs from "node:fs";
import path from "node:path";
import {pathToFileURL} from "node:url";

const [modelPath, out, theirsPath] = process.argv.slice(2);
if (out === undefined) {
    console.error("usage: node compare_llama_cpp.mjs MODEL.gguf OUT [LLAMA.bin]");
    process.exit(2);
}
const library = process.env.NODE_LLAMA_CPP;
const {getLlama} = library === undefined
    ? await import("node-llama-cpp")
    : await import(pathToFileURL(createRequire(import.meta.url).resolve(path.resolve(library))));

function readRows(file) {
    const bytes = fs.readFileSync(file);
    const [width, count] = [bytes.readInt32LE(0), bytes.readInt32LE(4)];
    if (bytes.length !== 8 + 4 * width * count) throw new Error(`${file} is not ${count} rows of ${width}`);
    return Array.from({length: count}, (_, row) =>
        Float64Array.from({length: width}, (_, i) => bytes.readFloatLE(8 + 4 * (row * width + i))));
}

function logProbabilities(logits) {
    const max = logits.reduce((a, b) => Math.max(a, b));
    const normalizer = max + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0));
    return logits.map((logit) => logit - normalizer);
}

const likeliest = (row) => row.reduce((best, value, i) => (value > row[best] ? i : best), 0);

function compareDistributions(ours, theirs) {
    if (ours.length !== theirs.length || ours[0].length !== theirs[0].length) throw new Error("other positions");
    let [sum, max, same] = [0, 0, 0];
    ours.forEach((row, position) => {
        const [p, q] = [logProbabilities(row), logProbabilities(theirs[position])];
        const kl = p.reduce((total, value, i) => total + Math.exp(value) * (value - q[i]), 0);
        sum += kl;
        max = Math.max(max, kl);
        if (likeliest(p) === likeliest(q)) same++;
    });
    const mean = sum / ours.length;
    console.log(`${path.basename(modelPath)}: ${ours.length} positions, mean KL ${mean.toExponential(2)}, `
        + `max KL ${max.toExponential(2)}, top-1 ${(100 * same / ours.length).toFixed(2)} %`);
    return mean < 1e-3;
}

async function compareEmbeddings(model, texts, ours) {
    const context = await model.createEmbeddingContext({contextSize: 512});
    const cosines = [];
    for (const [i, {tokens}] of texts.entries()) {
        const {vector} = await context.getEmbeddingFor(tokens);
        const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
        cosines.push(vector.reduce((sum, x, j) => sum + x * ours[i][j], 0) / length);
    }
    console.log(`${path.basename(modelPath)}: cosines ${cosines.map((c) => c.toFixed(6)).join(" ")}`);
    return cosines.every((cosine) => cosine > 0.999);
}

const texts = JSON.parse(fs.readFileSync(`${out}.texts.json`, "utf8"));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath, vocabOnly: theirsPath !== undefined});
const differing = texts.filter(({text, tokens}) => {
    // llama.cpp leaves [CLS] and [SEP] to the caller here.
    const expected = theirsPath === undefined ? tokens.slice(1, -1) : tokens;
    return model.tokenize(text).join() !== expected.join();
});
console.log(`${path.basename(modelPath)}: ${texts.length - differing.length} of ${texts.length} texts get the same tokens`);
const agree = theirsPath === undefined
    ? await compareEmbeddings(model, texts, readRows(`${out}.bin`))
    : compareDistributions(readRows(`${out}.bin`), readRows(theirsPath));
process.exit(agree && differing.length === 0 ? 0 : 1);
