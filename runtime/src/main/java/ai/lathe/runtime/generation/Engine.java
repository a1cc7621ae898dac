package ai.lathe.runtime.generation;

import ai.lathe.tensor.LatheException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;

/**
 * Lets several threads generate with one model. There is no thread of its own: one of those that
 * wait for a token runs the next step for all, and each hands its own text to its listener, so that
 * a slow one holds up nobody else.
 */
public final class Engine {

  private final Scheduler scheduler;
  private final Supplier<? extends RuntimeException> closedFailure;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();

  // Guarded by the lock; the scheduler belongs to the thread that set `stepping`.
  private final List<Call> calls = new ArrayList<>();
  private final List<Task> arrivals = new ArrayList<>();
  private final List<Task> departures = new ArrayList<>();
  private boolean stepping;
  private boolean closed;

  /**
   * @param drafter proposes tokens; null for none
   * @param endTokens that end a text
   * @param closedFailure what calls end with when the engine is closed
   */
  public Engine(
      BatchModel model,
      Drafter drafter,
      int[] endTokens,
      Limits limits,
      Supplier<? extends RuntimeException> closedFailure) {
    this.scheduler = new Scheduler(model, drafter, endTokens, limits);
    this.closedFailure = closedFailure;
  }

  /**
   * Runs a prompt and what follows. Returns when the text is over.
   *
   * @param stream makes text of the output's tokens
   * @throws LatheException where the prompt cannot be run, or the model breaks
   */
  public Generation generate(
      int[] prompt, TextStream stream, GenerationOptions options, GenerationListener listener) {
    var task =
        scheduler.task(prompt, options.sampling(), options.maxTokens(), !options.ignoreEnd());
    var output = new Output(stream, options.stops(), listener);
    var call = new Call(task);
    enter(call);
    try {
      var reason = follow(call, output, listener);
      lock.lock();
      try {
        return call.result(output, reason);
      } finally {
        lock.unlock();
      }
    } finally {
      leave(call);
    }
  }

  private FinishReason follow(Call call, Output output, GenerationListener listener) {
    while (true) {
      if (listener.cancelled()) {
        output.end();
        return FinishReason.CANCELLED;
      }
      if (hasToStep(call)) {
        step();
        continue;
      }
      if (!call.tell(output, listener)) {
        return FinishReason.STOP;
      }
      if (call.failure() != null) {
        throw failure(call.failure());
      }
      if (call.finished() != null) {
        output.end();
        return output.stop() == null ? call.finished() : FinishReason.STOP;
      }
    }
  }

  private static RuntimeException failure(Throwable e) {
    if (e instanceof LatheException known) {
      // A new one: the other threads of the batch have theirs.
      return new LatheException(known.getMessage(), known);
    }
    return new IllegalStateException("the model's step failed", e);
  }

  /**
   * Waits until a call has received something, or its thread has to run the next step, which it
   * then does at once.
   */
  private boolean hasToStep(Call call) {
    lock.lock();
    try {
      while (true) {
        if (closed) {
          throw closedFailure.get();
        }
        if (call.receive()) {
          return false;
        }
        if (!stepping) {
          stepping = true;
          departures.forEach(scheduler::cancel);
          departures.clear();
          arrivals.forEach(scheduler::enter);
          arrivals.clear();
          return true;
        }
        changed.awaitUninterruptibly();
      }
    } finally {
      lock.unlock();
    }
  }

  private void step() {
    try {
      scheduler.step();
    } finally {
      lock.lock();
      calls.forEach(Call::publish);
      stepping = false;
      changed.signalAll();
      lock.unlock();
    }
  }

  private void enter(Call call) {
    lock.lock();
    try {
      if (closed) {
        throw closedFailure.get();
      }
      calls.add(call);
      arrivals.add(call.task);
    } finally {
      lock.unlock();
    }
  }

  private void leave(Call call) {
    lock.lock();
    try {
      calls.remove(call);
      if (!arrivals.remove(call.task)) {
        departures.add(call.task);
      }
    } finally {
      lock.unlock();
    }
  }

  /** Calls end with the failure for closed engines, those that run with their next step. */
  public void shutDown() {
    lock.lock();
    try {
      closed = true;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /** Lets go of all sequences, once no call is left. */
  public void free() {
    scheduler.close();
  }
}
