// Token ids that llama.cpp gives, as a count and a CRC-32 of the little-endian int32 ids.
// Needs the npm package node-llama-cpp. Usage: node llama-tokenize.mjs VOCABULARY.gguf TEXT [CHARACTERS]
import fs from "node:fs";
import zlib from "node:zlib";
import {getLlama} from "node-llama-cpp";

const [, , gguf, file, characters] = process.argv;
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath: gguf, vocabOnly: true});
const text = fs.readFileSync(file, "utf8").slice(0, Number(characters ?? 100000));
const ids = Int32Array.from(model.tokenize(text));
console.log(ids.length, zlib.crc32(new Uint8Array(ids.buffer)));
process.exit(0);
