#!/usr/bin/env python3
"""GPTQ of a dumped layer by its authors' own code, for error and time beside Lathe's.

    git clone https://github.com/IST-DASLab/gptq REFERENCE
    tools/bench LayerDump MODEL BLOCK ROLE TEXT SAMPLES LENGTH DIRECTORY
    tools/bench GptqLayer DIRECTORY BITS GROUP ROUNDS
    check_gptq_reference.py REFERENCE DIRECTORY BITS GROUP ROUNDS

Prints the relative output error ||(W - Q) X||^2 / ||W X||^2 on the same inputs, and the seconds
that adding the inputs to the Hessian and quantizing take, on the cores of this machine.
"""
import pathlib
import statistics
import sys
import time

import torch
from safetensors.torch import load_file


def main(reference, directory, bits, group, rounds):
    sys.path.insert(0, reference)
    # The code synchronizes with a GPU whether or not there is one.
    torch.cuda.synchronize = lambda *_: None
    import gptq
    import quant

    layer = load_file(next(pathlib.Path(directory).glob("*.safetensors")))
    weight, inputs = layer["weight"], layer["inputs"]
    gram = (inputs.double().T @ inputs.double())
    total = torch.trace(weight.double() @ gram @ weight.double().T)
    for mse in (False, True):
        for order in (True, False):
            seconds = []
            for _ in range(rounds):
                linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
                linear.weight.data = weight.clone()
                start = time.perf_counter()
                with torch.no_grad():
                    solver = gptq.GPTQ(linear)
                    solver.quantizer = quant.Quantizer()
                    solver.quantizer.configure(bits, perchannel=True, sym=True, mse=mse)
                    solver.add_batch(inputs.unsqueeze(0), None)
                    solver.fasterquant(
                        blocksize=128, percdamp=0.01, groupsize=group, actorder=order,
                        static_groups=order)
                seconds.append(time.perf_counter() - start)
            lost = (weight - linear.weight.data).double()
            error = (torch.trace(lost @ gram @ lost.T) / total).item()
            print(
                f"theirs act-order {'static' if order else 'none':6} scales "
                f"{'mse' if mse else 'min-max':8} error {error:.6f}  seconds best "
                f"{min(seconds):.3f} median {statistics.median(seconds):.3f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6]))
