"""Compares an encoder's predictions of masked tokens with those of transformers.

    LogitDump MODEL TEXT 128 4 OUT              # the program of module bench
    python tools/check_masked.py MODEL OUT

Prints the largest difference of a logit and, for the first text, the likeliest token at each mask;
fails where a logit differs by 1e-4 or more.
"""

import json
import struct
import sys

import numpy
import torch
from transformers import AutoTokenizer, BertForMaskedLM


def main(directory, out):
    texts = json.load(open(out + ".windows.json"))
    data = open(out + ".bin", "rb").read()
    vocabulary, rows = struct.unpack("<ii", data[:8])
    ours = torch.from_numpy(numpy.frombuffer(data, "<f4", offset=8).reshape(rows, vocabulary).copy())
    model = BertForMaskedLM.from_pretrained(directory).eval().float()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    largest, at = 0.0, 0
    for number, text in enumerate(texts):
        with torch.no_grad():
            theirs = model(input_ids=torch.tensor([text])).logits[0]
        largest = max(largest, (theirs - ours[at : at + len(text)]).abs().max().item())
        if number == 0:
            best = [row.argmax().item() for row in ours[at : at + len(text)]]
            filled = [
                f"[{tokenizer.convert_ids_to_tokens(best[i])}]"
                if token == tokenizer.mask_token_id
                else tokenizer.convert_ids_to_tokens(token)
                for i, token in enumerate(text)
            ]
            print(" ".join(filled))
        at += len(text)
    print(f"{len(texts)} texts, {rows} tokens, largest difference of a logit {largest:.2e}")
    sys.exit(largest >= 1e-4)


if __name__ == "__main__":
    main(*sys.argv[1:])
