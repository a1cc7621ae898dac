package ai.lathe.runtime.execution;

import ai.lathe.model.Address;
import ai.lathe.runtime.kernel.PackedMatrix;
import java.lang.foreign.MemorySegment;

/**
 * A linear layer.
 *
 * @param bias {@code [out]} float32, or null
 */
record Linear(Address address, PackedMatrix matrix, MemorySegment bias) {}
